import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { BudgetError, CancelledError, TokenizerError } from "../../ffi/errors.ts";
import type { Method } from "../../lib/attention/method.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { ChatOptions } from "../../lib/engine/chat.ts";
import { Model } from "../../lib/engine/model.ts";
import type { Session } from "../../lib/engine/session.ts";
import type { ChatMessage } from "../../lib/model/chat_template.ts";
import { onFiles, restored } from "./saved.ts";
import { maxDifference, nextLogits, onBackends, type TinyModel } from "./tiny_model.ts";

const TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}/{% endfor %}" +
  "{% if add_generation_prompt %}<assistant>{% endif %}";
/** Longer than the answers of the tests, so that none ends by chance. */
const OPTIONS: ChatOptions = { template: TEMPLATE, maxTokens: 5 };
const SYSTEM: ChatMessage = { role: "system", content: "be brief" };
const ASKED: ChatMessage = { role: "user", content: "a text that is long enough. what is it" };
/** The same sums over other chunks. */
const TOLERANCE = 1e-5;

/** What the session holds, as the letters that its ids stand for. */
function encoded(model: TinyModel, text: string): number[] {
  return Array.from(model.tokenizer.encode(text));
}

/** Makes the model choose `token` in step `step`, counted from 0, and no token of `never`. */
function force(session: Session, step: number, token: number, never: readonly number[] = []): void {
  let at = 0;
  session.hooks.add({ at: "logits" }, (state) => {
    const logits = state.read("logits");
    for (const id of never) logits[id] = -1e9;
    if (at++ === step) logits[token] = 1e9;
    state.write("logits", logits);
  });
}

onBackends("chat() reads what the template writes and nothing more", "llama", async (model) => {
  const session = model.session();
  const { ids, reason } = await session.chat([SYSTEM, ASKED], OPTIONS);
  const prompt = `<system>${SYSTEM.content}/<user>${ASKED.content}/<assistant>`;
  assertEquals([...session.ids], [...encoded(model, prompt), ...ids]);
  assert(reason === "length" || reason === "eos");
});

onBackends("chat() decodes from the last user message on", "llama", async (model) => {
  const prefilled = new Set<number>();
  const decoded = new Set<number>();
  const dense = methods.dense();
  const spy: Method = {
    ...dense,
    planPrefill: (context) => {
      for (let row = 0; row < context.qLen; row++) prefilled.add(context.qStart + row);
      return dense.planPrefill(context);
    },
    planDecode: (context) => {
      decoded.add(context.position);
      return dense.planDecode(context);
    },
  };
  const session = model.session({ attention: spy, chunkTokens: 7 });
  const split = "<system>be brief/".length;
  await session.chat([SYSTEM, ASKED], OPTIONS);
  assertEquals([...prefilled], Array.from({ length: split }, (_, at) => at));
  assertEquals(
    [...decoded],
    Array.from({ length: session.length - 1 - split }, (_, at) => at + split),
  );
  prefilled.clear();
  const other = model.session({ attention: spy });
  await other.chat([ASKED], { ...OPTIONS, question: "what is it" });
  assertEquals(prefilled.size, "<user>a text that is long enough. ".length);
});

onBackends("chat() is a prefill and a question", "llama", async (model) => {
  const attention = methods.retrieval({ sink: 1, window: 4, topK: 3 });
  const chatting = model.session({ attention });
  const { ids } = await chatting.chat([SYSTEM, ASKED], OPTIONS);
  const asking = model.session({ attention });
  await asking.prefill(model.tokenizer.encode(`<system>${SYSTEM.content}/`));
  const question = `<user>${ASKED.content}/<assistant>`;
  const options = { template: null, stop: [], maxTokens: OPTIONS.maxTokens! };
  const answer = await asking.ask(question, options);
  assertEquals(answer.ids, ids);
});

onBackends("chat() reads only what is new of a longer conversation", "llama", async (model) => {
  const session = model.session();
  force(session, -1, 0, model.config.eosIds);
  const first = await session.chat([ASKED], OPTIONS);
  const held = [...session.ids];
  const messages = [ASKED, { role: "assistant", content: first.text }, {
    role: "user",
    content: "why",
  }];
  const done: number[] = [];
  const run = session.chat(messages, OPTIONS);
  for await (const event of run) if (event.kind === "progress") done.push(event.total);
  const added = "/<user>why/<assistant>";
  assertEquals([...session.ids.slice(0, held.length)], held);
  assertEquals(
    [...session.ids.slice(held.length, held.length + added.length)],
    encoded(model, added),
  );
  // The last token of the answer, which was held back, and the new ones but the last.
  assertEquals(done.at(-1), added.length);
  const fresh = model.session();
  await fresh.prefill(session.ids);
  assertLessOrEqual(
    maxDifference(await nextLogits(session.fork()), await nextLogits(fresh)),
    TOLERANCE,
  );
});

onBackends(
  "chat() ends at any of the model's ends and lets the template write it",
  "qwen3",
  async (model) => {
    assertEquals(model.config.eosIds, [2, 3]);
    for (const eos of model.config.eosIds) {
      const session = model.session();
      force(session, 3, eos, model.config.eosIds);
      const { text, ids, reason } = await session.chat([ASKED], OPTIONS);
      assertEquals([ids.length, ids.at(-1), reason, text.length], [4, eos, "eos", 3]);
      const before = session.length;
      const messages = [ASKED, { role: "assistant", content: text }, {
        role: "user",
        content: "why",
      }];
      await session.chat(messages, { ...OPTIONS, maxTokens: 1 });
      assertEquals([...session.ids.slice(before - 1, before + 5)], encoded(model, "/<user"));
    }
  },
);

onBackends(
  "chat() refuses what does not continue the session, and leaves it",
  "llama",
  async (model) => {
    const session = model.session();
    const { text } = await session.chat([ASKED], OPTIONS);
    const held = [...session.ids];
    const other = [ASKED, { role: "assistant", content: `${text}!?`.slice(1) }, ASKED];
    for (const messages of [other, [SYSTEM], [ASKED]]) {
      await assertRejects(
        async () => await session.chat(messages, OPTIONS),
        RangeError,
        "open a new session",
      );
      assertEquals([...session.ids], held);
    }
    const plain = model.session();
    await plain.prefill("text");
    await assertRejects(
      async () => await plain.chat([ASKED], OPTIONS),
      RangeError,
      "holds a text that is no conversation, open a new session: current value is 4 tokens",
    );
  },
);

onBackends("chat() counts what steps generated after it as the answer", "llama", async (model) => {
  const session = model.session();
  force(session, -1, 0, model.config.eosIds);
  const { text } = await session.chat([ASKED], { ...OPTIONS, maxTokens: 2 });
  const more = (await session.step()).text + (await session.generate({ maxTokens: 2 })).text;
  const answer = { role: "assistant", content: text + more };
  const held = session.length;
  await session.chat([ASKED, answer, ASKED], OPTIONS);
  assertGreater(session.length, held);
});

onBackends(
  "chat() leaves the session as it was when it is stopped while it reads",
  "llama",
  async (model) => {
    const session = model.session({ chunkTokens: 4 });
    force(session, 2, 2, model.config.eosIds);
    const stopped = session.chat([SYSTEM, ASKED], OPTIONS);
    for await (const _ of stopped) break;
    await assertRejects(async () => await stopped, CancelledError);
    assertEquals(session.length, 0);
    const { text } = await session.chat([SYSTEM, ASKED], OPTIONS);
    const held = [...session.ids];
    const messages = [SYSTEM, ASKED, { role: "assistant", content: text }, ASKED, ASKED];
    const again = session.chat(messages, OPTIONS);
    for await (const _ of again) break;
    await assertRejects(async () => await again, CancelledError);
    assertEquals([...session.ids], held);
    const { ids } = await session.chat(messages, { ...OPTIONS, maxTokens: 3 });
    const fresh = model.session();
    await fresh.prefill(session.ids.slice(0, session.length - ids.length));
    assertEquals((await fresh.generate({ maxTokens: 3 })).ids, ids);
  },
);

onBackends(
  "chat() refuses a conversation that does not fit and leaves the session",
  "llama",
  async (model) => {
    const { layers, kvHeads, dim } = model.config;
    const session = model.session({ memoryBytes: 256 * layers * kvHeads * dim * 2 * 4 });
    force(session, 2, 2, model.config.eosIds);
    const { text } = await session.chat([ASKED], OPTIONS);
    const held = [...session.ids];
    const long = { role: "user", content: "long ".repeat(300) };
    const messages = [ASKED, { role: "assistant", content: text }, long];
    await assertRejects(async () => await session.chat(messages, OPTIONS), BudgetError);
    assertEquals([...session.ids], held);
  },
);

/** Has the model answer two letters, then what `STOP` says. */
async function stopped(model: TinyModel, session: Session) {
  const [x, y] = encoded(model, "xy");
  const never = [x!, y!, ...model.config.eosIds];
  force(session, 2, x!, never);
  force(session, 3, y!);
  const options = { ...OPTIONS, stop: [model.tokenizer.decode([x!, y!])] };
  const generation = await session.chat([ASKED], options);
  assertEquals([generation.reason, generation.ids.length, generation.text.length], ["stop", 4, 2]);
  session.hooks.clear();
  return { text: generation.text, all: model.tokenizer.decode(generation.ids) };
}

/** A list that goes on from an answer. */
function after(answer: string): ChatMessage[] {
  return [ASKED, { role: "assistant", content: answer }, { role: "user", content: "why" }];
}

onBackends("chat() goes on from an answer without what stopped it", "llama", async (model) => {
  const session = model.session();
  const { text } = await stopped(model, session);
  const held = session.length;
  const { ids } = await session.chat(after(text), { ...OPTIONS, maxTokens: 3 });
  const added = encoded(model, "/<user>why/<assistant>");
  assertEquals([...session.ids.slice(held - 2)], [...added, ...ids]);
  const fresh = model.session();
  await fresh.prefill(session.ids.slice(0, session.length - ids.length));
  assertEquals((await fresh.generate({ maxTokens: 3 })).ids, ids);
});

onBackends("chat() goes on from an answer with what stopped it", "llama", async (model) => {
  const session = model.session();
  const { all } = await stopped(model, session);
  const held = [...session.ids];
  await session.chat(after(all), OPTIONS);
  assertEquals([...session.ids.slice(0, held.length)], held);
});

onBackends(
  "chat() goes on from an answer that was stopped, whatever came after it",
  "llama",
  async (model) => {
    const session = model.session();
    const { text, all } = await stopped(model, session);
    const more = (await session.generate({ maxTokens: 2 })).text;
    const fork = session.fork();
    const held = [...session.ids];
    await session.chat(after(text), OPTIONS);
    assertEquals(session.ids[held.length - 4], encoded(model, "/")[0]);
    await fork.chat(after(all + more), OPTIONS);
    assertEquals([...fork.ids.slice(0, held.length)], held);
  },
);

onBackends(
  "chat() can be tried again when it is stopped while it reads after a stopped answer",
  "llama",
  async (model) => {
    const session = model.session({ chunkTokens: 4 });
    const { text } = await stopped(model, session);
    const held = session.length;
    const again = session.chat(after(text), OPTIONS);
    for await (const _ of again) break;
    await assertRejects(async () => await again, CancelledError);
    assertEquals(session.length, held - 2);
    const { ids } = await session.chat(after(text), { ...OPTIONS, maxTokens: 3 });
    const fresh = model.session();
    await fresh.prefill(session.ids.slice(0, session.length - ids.length));
    assertEquals((await fresh.generate({ maxTokens: 3 })).ids, ids);
  },
);

onFiles("restore() takes over how an answer ended", async (model, path) => {
  const session = model.session();
  const { text } = await stopped(model, session);
  await session.save(path);
  const copy = await restored(model, path);
  const { ids } = await session.chat(after(text), OPTIONS);
  assertEquals((await copy.chat(after(text), OPTIONS)).ids, ids);
  assertEquals(copy.ids, session.ids);
  copy.close();
});

onBackends(
  "chat() refuses messages without the answer that was stopped half-way, and says what helps",
  "llama",
  async (model) => {
    const session = model.session();
    force(session, -1, 0, model.config.eosIds);
    const run = session.chat([ASKED], OPTIONS);
    let said = "";
    for await (const event of run) {
      if (event.kind === "step" && (said += event.text).length === 2) break;
    }
    await assertRejects(async () => await run, CancelledError);
    const held = [...session.ids];
    for (const messages of [[ASKED, ASKED], [ASKED], after("other")]) {
      await assertRejects(
        async () => await session.chat(messages, OPTIONS),
        RangeError,
        `with all that it answered as the assistant's message (${JSON.stringify(said)}, ` +
          "the end of session.text), open a new session for others",
      );
    }
    assertEquals([...session.ids], held);
    assert(session.text.endsWith(said));
    await session.chat(after(said), OPTIONS);
    assertEquals([...session.ids.slice(0, held.length)], held);
  },
);

onBackends("fork() takes the conversation over", "llama", async (model) => {
  const session = model.session();
  const { text } = await session.chat([ASKED], OPTIONS);
  const messages = [ASKED, { role: "assistant", content: text }, ASKED];
  const fork = session.fork();
  const forked = await fork.chat(messages, OPTIONS);
  assertEquals((await session.chat(messages, OPTIONS)).ids, forked.ids);
});

onFiles("restore() takes the conversation over", async (model, path) => {
  const session = model.session();
  const { text } = await session.chat([ASKED], OPTIONS);
  await session.save(path);
  const messages = [ASKED, { role: "assistant", content: text }, ASKED];
  const copy = await restored(model, path);
  assertEquals(
    (await copy.chat(messages, OPTIONS)).ids,
    (await session.chat(messages, OPTIONS)).ids,
  );
  copy.close();
});

onBackends("chat() plans rotary frequencies for the whole prompt", "phi3", async (model) => {
  const session = model.session();
  await session.chat([ASKED], { ...OPTIONS, maxTokens: 1 });
  const prefilled = model.session();
  await prefilled.prefill(session.ids);
  assertGreater(session.length, 32);
  const [found, wanted] = [await nextLogits(session), await nextLogits(prefilled)];
  assertLessOrEqual(maxDifference(found, wanted), TOLERANCE);
});

Deno.test("chat() of a model without a template says where one was looked for", async () => {
  const model = await Model.load(undefined, { backend: "reference" });
  const session = model.session();
  await assertRejects(
    async () => await session.chat([ASKED]),
    TokenizerError,
    "tokenizer_config.json",
  );
  assertEquals(session.length, 0);
  const template = "{{ bos_token }}{{ messages[0].content }}";
  await session.chat([{ role: "user", content: "Once" }], { template, maxTokens: 1 });
  assertEquals(session.ids[0], model.tokenizer.bosId);
  model.close();
});

Deno.test("chat() reads again what a token holds in front of a stop text", async () => {
  const model = await Model.load(undefined, { backend: "reference" });
  const answer = model.tokenizer.encode("I must add money");
  assertEquals(model.tokenizer.piece(answer.at(-1)!), " money");
  const session = model.session();
  answer.forEach((id, step) => force(session, step, id));
  const template = "{% for m in messages %}{{ m.content }}\n{% endfor %}";
  const { text } = await session.chat([ASKED], { template, stop: ["ey"] });
  assertEquals(text, "I must add mon");
  const held = session.length;
  await session.chat(after(text), { template, maxTokens: 1 });
  assertEquals(model.tokenizer.decode(session.ids.slice(held - 1, -1)), " mon\nwhy\n");
  model.close();
});
