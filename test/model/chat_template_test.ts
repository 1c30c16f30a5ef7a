import { inFolder } from "../in_folder.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { TokenizerError } from "../../ffi/errors.ts";
import type { ChatMessage, ChatTemplateOptions } from "../../lib/model/chat_template.ts";
import { loadTokenizer, readTokenizer } from "../../lib/model/tokenizer.ts";
import type { Tokenizer } from "../../lib/model/types.ts";
import { fixture } from "./fixtures.ts";

interface ChatCase {
  tokenizer: string;
  template: string;
  messages: ChatMessage[];
  options: ChatTemplateOptions;
  text: string;
  ids: number[];
}

interface ChatFixture {
  tokenizers: Record<string, { base: string; added: unknown[]; config: Record<string, unknown> }>;
  templates: Record<string, string>;
  now: string;
  cases: ChatCase[];
  refused: (Omit<ChatCase, "text" | "ids"> & { error: string })[];
}

const expected: ChatFixture = JSON.parse(await Deno.readTextFile(fixture("chat/chat.json")));
const now = new Date(expected.now);
const HELLO: ChatMessage = { role: "user", content: "Hello" };

/** One of the fixture's tokenizers, its configuration changed by `fields`. */
async function tokenizerOf(name: string, fields: Record<string, unknown> = {}): Promise<Tokenizer> {
  const { base, added, config } = expected.tokenizers[name]!;
  const json = JSON.parse(await Deno.readTextFile(fixture(`${base}/tokenizer.json`)));
  json.added_tokens.push(...added);
  return await readTokenizer(json, { ...config, ...fields });
}

expected.cases.forEach(({ tokenizer, template, messages, options, text, ids }, index) => {
  Deno.test(`render() agrees with transformers: ${index}, ${template}, ${Object.keys(options)}`, async () => {
    const { chatTemplate } = await tokenizerOf(tokenizer);
    const source = expected.templates[template]!;
    const chat = await chatTemplate.render(messages, { ...options, template: source, now });
    assertEquals(chat.text, text);
    assertEquals(Array.from(chat.ids), ids);
  });
});

expected.refused.forEach(({ tokenizer, template, messages, options, error }, index) => {
  Deno.test(`render() passes on what a template refuses: ${index}, ${error}`, async () => {
    const { chatTemplate } = await tokenizerOf(tokenizer, {
      chat_template: expected.templates[template],
    });
    await assertRejects(
      () => chatTemplate.render(messages, options),
      TokenizerError,
      `it refuses these messages: current value is "${error}"`,
    );
  });
});

Deno.test("encode() of the two parts of a chat joins to its ids at a special token", async () => {
  for (const escapeSpecial of [false, true]) {
    const { chatTemplate } = await tokenizerOf("fallback");
    const template = expected.templates["asks"]!;
    const messages = [{ role: "user", content: "one </s> two" }, {
      role: "assistant",
      content: "three",
    }];
    const chat = await chatTemplate.render(messages, { template, escapeSpecial });
    const at = chat.text.indexOf("[/ASK]");
    const [before, after] = [chat.encode(0, at), chat.encode(at, chat.text.length)];
    assertEquals([...before, ...after], [...chat.ids]);
  }
});

Deno.test("render() takes marks in messages for what they are unless it escapes", async () => {
  const { chatTemplate } = await tokenizerOf("bytes");
  const options = { template: "{{ messages[0].content }}" };
  const message = { role: "user", content: "a\u{f0000}b\u{f0001}" };
  const chat = await chatTemplate.render([message], options);
  assertEquals(chat.text, message.content);
  const escaped = await chatTemplate.render([message], { ...options, escapeSpecial: true });
  assertEquals(escaped.text, "ab");
});

Deno.test("escapeSpecial escapes the tokens that tokenizer_config.json names", async () => {
  const template = "{{ messages[0].content }}";
  const options = { template, escapeSpecial: true };
  const message = { role: "user", content: "<call>" };
  const unnamed = await (await tokenizerOf("bytes")).chatTemplate.render([message], options);
  assertEquals(unnamed.ids.length, 1);
  const tokenizer = await tokenizerOf("bytes", { chat_control_tokens: ["<call>"] });
  const named = await tokenizer.chatTemplate.render([message], options);
  assert(named.ids.length > 1);
  assertEquals(tokenizer.decode(named.ids), "<call>");
});

Deno.test("render() chooses among named templates as transformers does", async () => {
  const named = [
    { name: "default", template: "plain" },
    { name: "tool_use", template: "with tools" },
    { name: "rag", template: "with documents" },
  ];
  const { chatTemplate } = await tokenizerOf("bytes", { chat_template: named });
  const text = async (options: ChatTemplateOptions) =>
    (await chatTemplate.render([HELLO], options)).text;
  assertEquals(chatTemplate.names, ["default", "tool_use", "rag"]);
  assertEquals(await text({}), "plain");
  assertEquals(await text({ tools: [] }), "with tools");
  assertEquals(await text({ template: "rag", tools: [] }), "with documents");
  assertEquals(await text({ template: "another" }), "another");
});

Deno.test("render() without a template names where one was looked for", async () => {
  const { chatTemplate } = await tokenizerOf("bytes");
  assertEquals(chatTemplate.names, []);
  const error = await assertRejects(() => chatTemplate.render([HELLO]), TokenizerError);
  for (const place of ["chat_template.jinja", "tokenizer_config.json", "chat_template.json"]) {
    assertStringIncludes(error.message, place);
  }
  const other = await tokenizerOf("bytes", { chat_template: [{ name: "rag", template: "x" }] });
  await assertRejects(() => other.chatTemplate.render([HELLO]), TokenizerError, '["rag"]');
});

const failures: [name: string, template: string, messages: unknown, message: string][] = [
  ["a template that does not parse", "{% if %}", [HELLO], "it must be a Jinja template"],
  ["what the library does not know", "{{ messages | nonsense }}", [HELLO], "does not work with"],
  ["endless ranges", "{% for i in range(100001) %}{% endfor %}", [HELLO], "at most 100000 numbers"],
  ["dates it cannot write", "{{ strftime_now('%Q') }}", [HELLO], "current value is %Q"],
  ["no messages", "x", [], "messages must be a list of at least one"],
  ["a message that is no object", "x", [null], "a message must have a role"],
  ["a message without a role", "x", [{ content: "a" }], "a message must have a role"],
];
for (const [name, template, messages, message] of failures) {
  Deno.test(`render() refuses ${name}`, async () => {
    const { chatTemplate } = await tokenizerOf("bytes");
    await assertRejects(
      () => chatTemplate.render(messages as ChatMessage[], { template }),
      TokenizerError,
      message,
    );
  });
}

Deno.test("render() lets variables replace special tokens and reads null as absent", async () => {
  const { chatTemplate } = await tokenizerOf("bytes");
  const template = "{{ bos_token }}{{ messages[0].name is defined }}{{ pad_token }}";
  const message = { role: "user", content: "x", name: null };
  const options = { template, variables: { bos_token: "<here>" } };
  assertEquals((await chatTemplate.render([message], options)).text, "<here>False");
});

/** A folder with the byte tokenizer and `files`, by name. */
async function withFiles(
  files: Record<string, string | Uint8Array>,
  check: (folder: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    await Deno.copyFile(fixture("tokenizer_bytes/tokenizer.json"), `${folder}/tokenizer.json`);
    await Deno.mkdir(`${folder}/additional_chat_templates`);
    for (const [name, text] of Object.entries(files)) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await check(folder);
  });
}

const inConfig = JSON.stringify({ chat_template: "config {{ eos_token }}", eos_token: "<|eos|>" });
const places: [name: string, files: Record<string, string>, text: string][] = [
  ["tokenizer_config.json", { "tokenizer_config.json": inConfig }, "config <|eos|>"],
  ["chat_template.jinja first", {
    "tokenizer_config.json": inConfig,
    "chat_template.jinja": "file {{ eos_token }}",
  }, "file <|eos|>"],
  ["chat_template.json last", { "chat_template.json": '{"chat_template": "json"}' }, "json"],
  ["chat_template.json only where there is no other", {
    "tokenizer_config.json": inConfig,
    "chat_template.json": '{"chat_template": "json"}',
  }, "config <|eos|>"],
  ["names of special tokens in special_tokens_map.json", {
    "chat_template.jinja": "{{ bos_token }}",
    "special_tokens_map.json": '{"bos_token": {"content": "<|bos|>"}}',
  }, "<|bos|>"],
];
for (const [name, files, text] of places) {
  Deno.test(`loadTokenizer() reads ${name}`, async () => {
    await withFiles(files, async (folder) => {
      const { chatTemplate } = await loadTokenizer(folder);
      assertEquals((await chatTemplate.render([HELLO])).text, text);
    });
  });
}

Deno.test("loadTokenizer() reads additional_chat_templates by file name", async () => {
  const files = {
    "chat_template.jinja": "one",
    "additional_chat_templates/rag.jinja": "two",
    "additional_chat_templates/notes.txt": "three",
  };
  await withFiles(files, async (folder) => {
    const { chatTemplate } = await loadTokenizer(folder);
    assertEquals(chatTemplate.names, ["default", "rag"]);
    assertEquals((await chatTemplate.render([HELLO], { template: "rag" })).text, "two");
  });
});

const damaged: [name: string, files: Record<string, string | Uint8Array>, message: string][] = [
  ["a template that is no UTF-8", { "chat_template.jinja": Uint8Array.of(0x80) }, "is not UTF-8"],
  [
    "a template that is a number",
    { "tokenizer_config.json": '{"chat_template": 5}' },
    "a text or a list",
  ],
  ["a named template without a text", {
    "tokenizer_config.json": '{"chat_template": [{"name": "a"}]}',
  }, "must have name and template"],
  ["a template of 2 MB", { "chat_template.jinja": " ".repeat(2e6) }, "at most 1048576 bytes"],
  ["names that are a list", { "special_tokens_map.json": "[]" }, "must be an object"],
  ["control tokens that are no texts", {
    "tokenizer_config.json": '{"chat_control_tokens": [1]}',
  }, "must be a list of texts"],
];
for (const [name, files, message] of damaged) {
  Deno.test(`loadTokenizer() refuses ${name}`, async () => {
    await withFiles(files, async (folder) => {
      await assertRejects(() => loadTokenizer(folder), TokenizerError, message);
    });
  });
}
