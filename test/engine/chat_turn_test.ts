import { assert, assertEquals, assertRejects } from "@std/assert";
import { chatTurn } from "../../lib/engine/chat.ts";
import type { ChatMessage } from "../../lib/model/chat_template.ts";
import { readTokenizer } from "../../lib/model/tokenizer.ts";
import type { Tokenizer } from "../../lib/model/types.ts";
import { fixture } from "../model/fixtures.ts";

const { tokenizers, templates, now } = JSON.parse(
  await Deno.readTextFile(fixture("chat/chat.json")),
) as {
  tokenizers: Record<string, { base: string; added: unknown[]; config: Record<string, unknown> }>;
  templates: Record<string, string>;
  now: string;
};
const NOW = new Date(now);

async function tokenizerOf(name: string): Promise<Tokenizer> {
  const { base, added, config } = tokenizers[name]!;
  const json = JSON.parse(await Deno.readTextFile(fixture(`${base}/tokenizer.json`)));
  json.added_tokens.push(...added);
  return await readTokenizer(json, config);
}

/** Without white space: tokenizers put some in front of a part, and some tokens swallow it. */
const flat = (text: string) => text.replaceAll(/\s/g, "");

const SYSTEM: ChatMessage = { role: "system", content: " Be brief.\n" };
const ASKED: ChatMessage = { role: "user", content: " A long text.\nWhat is it?\n" };
const ANSWER: ChatMessage = { role: "assistant", content: "A text." };
const THOUGHT: ChatMessage = { role: "assistant", content: "<think>\nhm\n</think>\n\nA text." };
const MORE: ChatMessage = { role: "user", content: "Why?" };

const splits: [tokenizer: string, template: string, messages: ChatMessage[], question: string][] = [
  ["bytes", "turns", [ASKED], "A long text.\nWhat is it?\n<|close|>\n<|open|>assistant\n"],
  [
    "bytes",
    "turns",
    [SYSTEM, ASKED],
    "<|open|>user\n A long text.\nWhat is it?\n<|close|>\n<|open|>assistant\n",
  ],
  ["bytes", "turns", [ASKED, ANSWER, MORE], "<|open|>user\nWhy?<|close|>\n<|open|>assistant\n"],
  ["bytes", "heads", [ASKED], "A long text.\nWhat is it?<|eos|><|head|>assistant<|/head|>\n\n"],
  [
    "fallback",
    "asks",
    [SYSTEM, ASKED],
    "[ASK]  Be brief.\n\n\n A long text.\nWhat is it?\n [/ASK]",
  ],
  ["fallback", "asks", [ASKED, ANSWER, MORE], "[ASK] Why? [/ASK]"],
  ["bytes", "pipes", [ASKED, ANSWER, MORE], "<|user|>\nWhy?<|end|>\n<|assistant|>\n\n"],
  ["bytes", "thoughts", [ASKED, THOUGHT, MORE], "Why?<|close|>\n<|open|>assistant\n"],
  [
    "bytes",
    "functions",
    [ASKED, ANSWER, { role: "tool", content: "sunny" }],
    "A long text.\nWhat is it?\n<|close|>\n<|open|>assistant\nA text.<|close|>\n<|open|>user\n<result>\nsunny\n</result><|close|>\n<|open|>assistant\n",
  ],
  ["bytes", "marked", [ANSWER], "A text.<|eos|>"],
];

for (const [name, template, messages, question] of splits) {
  Deno.test(`chatTurn() begins the question at the last user message: ${template}, ${messages.length}`, async () => {
    const { chatTemplate, decode, encode } = await methodsOf(name);
    const options = { template: templates[template]!, now: NOW };
    const turn = await chatTurn(chatTemplate, messages, options, null, []);
    assert(turn.text.endsWith(question), turn.text);
    assertEquals(flat(decode(turn.question)), flat(question));
    assertEquals([...turn.context, ...turn.question], [...encode(turn.text)]);
  });
}

Deno.test("chatTurn() begins the question where it is told to", async () => {
  const { chatTemplate, decode, encode } = await methodsOf("bytes");
  for (const escapeSpecial of [false, true]) {
    const content = "A <|close|> in it.\nWhat is it? ";
    const options = { template: templates["turns"]!, question: " What is it?", escapeSpecial };
    const turn = await chatTurn(chatTemplate, [{ role: "user", content }], options, null, []);
    assertEquals(decode(turn.question), "What is it? <|close|>\n<|open|>assistant\n");
    if (!escapeSpecial) assertEquals([...turn.context, ...turn.question], [...encode(turn.text)]);
  }
});

Deno.test("chatTurn() does not take what the template writes for the question", async () => {
  const { chatTemplate, decode, encode } = await methodsOf("bytes");
  const options = { template: templates["turns"]! };
  for (const asked of ["a", "assistant", "close", "user", "open"]) {
    const wanted = flat(`${asked}<|close|>\n<|open|>assistant\n`);
    for (
      const [content, more] of [[asked, {}], [`A text. ${asked} `, { question: asked }]] as const
    ) {
      const messages = [{ role: "user", content }];
      const turn = await chatTurn(chatTemplate, messages, { ...options, ...more }, null, []);
      assertEquals(flat(decode(turn.question)), wanted);
      assertEquals([...turn.context, ...turn.question], [...encode(turn.text)]);
    }
  }
});

Deno.test("chatTurn() takes all that is new for the question where the template changes it", async () => {
  const { chatTemplate } = await methodsOf("bytes");
  const template = "{{ messages[-1].content | upper }}";
  const turn = await chatTurn(chatTemplate, [MORE], { template }, null, []);
  assertEquals([turn.text, turn.context.length], ["WHY?", 0]);
});

Deno.test("chatTurn() finds parts of a message", async () => {
  const { chatTemplate, decode } = await methodsOf("bytes");
  const content = [{ type: "text", text: "See" }, { type: "text", text: "this." }];
  const options = { template: templates["parts"]! };
  const whole = await chatTurn(chatTemplate, [{ role: "user", content }], options, null, []);
  assertEquals(decode(whole.question), "See | this. (first)<|end|>");
  const last = { ...options, question: "this." };
  const part = await chatTurn(chatTemplate, [{ role: "user", content }], last, null, []);
  assertEquals(decode(part.question), " this. (first)<|end|>");
});

for (const question of ["A long", "nothing", "", " \n"]) {
  Deno.test(`chatTurn() refuses a question that does not end the message: ${JSON.stringify(question)}`, async () => {
    const { chatTemplate } = await methodsOf("bytes");
    const options = { template: templates["turns"]!, question };
    await assertRejects(
      () => chatTurn(chatTemplate, [ASKED], options, null, []),
      RangeError,
      "question must be the end of the last user message",
    );
  });
}

const continued: [tokenizer: string, template: string, said: string, added: string][] = [
  ["bytes", "turns", "A text.", "<|close|>\n<|open|>user\nWhy?<|close|>\n<|open|>assistant\n"],
  [
    "bytes",
    "turns",
    " \nA text.\n ",
    "<|close|>\n<|open|>user\nWhy?<|close|>\n<|open|>assistant\n",
  ],
  ["bytes", "turns", "A te", "xt.<|close|>\n<|open|>user\nWhy?<|close|>\n<|open|>assistant\n"],
  ["fallback", "asks", "A text.", "</s>[ASK] Why? [/ASK]"],
  ["bytes", "pipes", "", "A text.<|end|>\n<|user|>\nWhy?<|end|>\n<|assistant|>\n"],
];
for (const [name, template, said, added] of continued) {
  Deno.test(`chatTurn() reads what follows an answer: ${template}, ${JSON.stringify(said)}`, async () => {
    const { chatTemplate, decode } = await methodsOf(name);
    const options = { template: templates[template]! };
    const first = await chatTurn(chatTemplate, [ASKED], options, null, []);
    const held = { text: first.text, tokens: 5, nowMs: 0, stopped: null };
    const messages = [ASKED, ANSWER, MORE];
    const turn = await chatTurn(chatTemplate, messages, options, held, [{ text: said, end: 9 }]);
    const ids = [...turn.context, ...turn.question];
    assertEquals(flat(decode(Int32Array.from(ids))), flat(added));
    assert(turn.question.length < ids.length);
    assertEquals(turn.end, 9);
  });
}

const broken: [name: string, messages: ChatMessage[], template: string][] = [
  ["another answer", [ASKED, { role: "assistant", content: "Another." }, MORE], "turns"],
  ["another first message", [MORE, ANSWER, MORE], "turns"],
  ["no answer", [ASKED, MORE], "turns"],
  ["the same messages", [ASKED], "turns"],
  ["a template that forgets thoughts", [ASKED, THOUGHT, MORE], "thoughts"],
];
for (const [name, messages, template] of broken) {
  Deno.test(`chatTurn() refuses ${name} after what is held`, async () => {
    const { chatTemplate } = await methodsOf("bytes");
    const options = { template: templates[template]! };
    const { text } = await chatTurn(chatTemplate, [ASKED], options, null, []);
    const said = template === "thoughts" ? THOUGHT.content as string : "A text.";
    const held = { text, tokens: 5, nowMs: 0, stopped: null };
    await assertRejects(
      () => chatTurn(chatTemplate, messages, options, held, [{ text: said, end: 9 }]),
      RangeError,
      `all that it answered as the assistant's message (${JSON.stringify(said)}, `,
    );
  });
}

Deno.test("chatTurn() goes on from the first of the answers that the messages hold", async () => {
  const { chatTemplate } = await methodsOf("bytes");
  const options = { template: templates["turns"]! };
  const { text } = await chatTurn(chatTemplate, [ASKED], options, null, []);
  const held = { text, tokens: 5, nowMs: 0, stopped: null };
  const answers = [{ text: "A text. And", end: 9 }, { text: " A text", end: 8 }, {
    text: "A",
    end: 7,
  }];
  const next = await chatTurn(chatTemplate, [ASKED, ANSWER, MORE], options, held, answers);
  assertEquals(next.end, 8);
});

Deno.test("chatTurn() names no answer where there is none", async () => {
  const { chatTemplate } = await methodsOf("bytes");
  const options = { template: templates["turns"]! };
  const { text } = await chatTurn(chatTemplate, [ASKED], options, null, []);
  const held = { text, tokens: 5, nowMs: 0, stopped: null };
  await assertRejects(
    () => chatTurn(chatTemplate, [MORE], options, held, [{ text: "", end: 5 }]),
    RangeError,
    "continue what the session holds, open a new session for others: current value is",
  );
});

Deno.test("chatTurn() keeps the time of the conversation", async () => {
  const { chatTemplate } = await methodsOf("bytes");
  const options = { template: templates["heads"]! };
  const first = await chatTurn(chatTemplate, [ASKED], { ...options, now: NOW }, null, []);
  const held = { text: first.text, tokens: 5, nowMs: first.nowMs, stopped: null };
  const answers = [{ text: "A text.", end: 9 }];
  const next = await chatTurn(chatTemplate, [ASKED, ANSWER, MORE], options, held, answers);
  assert(next.text.startsWith(first.text));
  assertEquals(next.nowMs, NOW.getTime());
});

async function methodsOf(name: string) {
  const tokenizer = await tokenizerOf(name);
  return {
    chatTemplate: tokenizer.chatTemplate,
    decode: (ids: Int32Array) => tokenizer.decode(ids, { special: true }),
    encode: (text: string) => tokenizer.encode(text),
  };
}
