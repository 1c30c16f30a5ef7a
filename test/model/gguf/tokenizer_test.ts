import { assertEquals, assertRejects } from "@std/assert";
import { ModelFormatError, TokenizerError } from "../../../ffi/errors.ts";
import { GgufMetadata, type GgufValue } from "../../../lib/model/gguf/metadata.ts";
import { readGgufModel } from "../../../lib/model/gguf/model_file.ts";
import { readGgufTokenizer } from "../../../lib/model/gguf/tokenizer.ts";
import type { Tokenizer } from "../../../lib/model/types.ts";
import { fixture } from "../fixtures.ts";
import { testModel } from "./test_models.ts";
import { PRE_NAMES, prefixVocabulary, withPre } from "./vocabularies.ts";
import type { GgufContent } from "./writer.ts";

interface TokenIds {
  readonly smollm2: number[][];
  readonly gemma3: number[][];
  readonly prefix: number[][];
  readonly pre: Record<string, number[][]>;
}

const texts: string[] = await readJson("texts.json");
/** Written by `make_token_ids.ts` with llama.cpp. */
const expected: TokenIds = await readJson("token_ids.json");
const smollm2 = await testModel("smollm2");
const gemma3 = await testModel("gemma3");

async function readJson(name: string) {
  return JSON.parse(await Deno.readTextFile(fixture(`gguf/${name}`)));
}

function metadataOf({ pairs }: GgufContent): GgufMetadata {
  const numbers = { i32: Int32Array, f32: Float32Array } as const;
  const value = (type: string, value: unknown) =>
    Array.isArray(value) && type in numbers
      ? numbers[type as keyof typeof numbers].from(value)
      : value;
  return new GgufMetadata(
    "x.gguf",
    new Map(pairs.map((pair) => [pair.key, value(pair.type, pair.value) as GgufValue])),
  );
}

function withPairs(
  content: GgufContent,
  changes: Readonly<Record<string, GgufValue | undefined>>,
): GgufMetadata {
  const metadata = metadataOf(content);
  const pairs = new Map(metadata.keys.map((key) => [key, metadata.get(key)!]));
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) pairs.delete(`tokenizer.ggml.${key}`);
    else pairs.set(`tokenizer.ggml.${key}`, value);
  }
  return new GgufMetadata("x.gguf", pairs);
}

function assertIds(tokenizer: Tokenizer, ids: readonly number[][]): void {
  assertEquals(ids.length, texts.length);
  for (const [x, text] of texts.entries()) assertEquals([...tokenizer.encode(text)], ids[x], text);
}

Deno.test({
  name: "readGgufTokenizer() of SmolLM2 gives the ids of llama.cpp and the texts back",
  ignore: smollm2 === null,
  fn: async () => {
    const tokenizer = await readGgufTokenizer((await readGgufModel(smollm2!)).metadata);
    assertIds(tokenizer, expected.smollm2);
    assertEquals(tokenizer.bosId, null);
    for (const [x, text] of texts.entries()) {
      assertEquals(tokenizer.decode(expected.smollm2[x]!, { special: true }), text);
    }
  },
});

Deno.test({
  name: "readGgufTokenizer() of Gemma 3 gives the ids of llama.cpp and the texts back",
  ignore: gemma3 === null,
  fn: async () => {
    const tokenizer = await readGgufTokenizer((await readGgufModel(gemma3!)).metadata);
    assertIds(tokenizer, expected.gemma3);
    assertEquals(tokenizer.bosId, 2);
    for (const [x, text] of texts.entries()) {
      // the vocabulary cannot tell the space from the sign that it writes for one
      const back = text.replaceAll("\u2581", " ");
      assertEquals(tokenizer.decode(expected.gemma3[x]!, { special: true }), back);
    }
  },
});

for (const pre of PRE_NAMES) {
  Deno.test({
    name: `readGgufTokenizer() cuts texts as llama.cpp does for ${pre}`,
    ignore: smollm2 === null,
    fn: async () => {
      const { metadata } = await readGgufModel(smollm2!);
      const tokenizer = await readGgufTokenizer(metadataOf(withPre(metadata, pre)));
      assertIds(tokenizer, expected.pre[pre]!);
    },
  });
}

Deno.test("readGgufTokenizer() puts a space in front of texts where the vocabulary wants one", async () => {
  const tokenizer = await readGgufTokenizer(metadataOf(prefixVocabulary()));
  assertIds(tokenizer, expected.prefix);
  assertEquals(tokenizer.decode(tokenizer.encode("the end")), "the end");
  assertEquals(tokenizer.bosId, 1);
});

Deno.test("readGgufTokenizer() adds BOS as the file says, else as llama.cpp does", async () => {
  const bos = async (changes: Record<string, GgufValue | undefined>) =>
    (await readGgufTokenizer(withPairs(prefixVocabulary(), changes))).bosId;
  assertEquals(await bos({ add_bos_token: true }), 1);
  assertEquals(await bos({ add_bos_token: false }), null);
  assertEquals(await bos({ bos_token_id: undefined }), null);
  const letters = ["a", "b", "ab", "<s>"];
  const bytes = { model: "gpt2", merges: ["a b"], tokens: letters, token_type: undefined };
  const level = { ...bytes, scores: undefined, bos_token_id: 3, eos_token_id: 3 };
  assertEquals(await bos({ ...level, pre: "llama-bpe" }), 3);
  assertEquals(await bos({ ...level, pre: "qwen2" }), null);
});

Deno.test("readGgufTokenizer() takes the chat templates of the file, with its special tokens", async () => {
  const metadata = metadataOf({
    pairs: [
      ...prefixVocabulary().pairs,
      {
        key: "tokenizer.chat_template",
        type: "string",
        value: "{{ bos_token }}{{ messages[0].role }}",
      },
      { key: "tokenizer.chat_template.short", type: "string", value: "{{ eos_token }}" },
    ],
  });
  const { chatTemplate } = await readGgufTokenizer(metadata);
  assertEquals(chatTemplate.names, ["default", "short"]);
  const messages = [{ role: "user", content: "" }];
  assertEquals((await chatTemplate.render(messages)).text, "<s>user");
  assertEquals((await chatTemplate.render(messages, { template: "short" })).text, "</s>");
});

Deno.test("readGgufTokenizer() keeps tokens that objects would take for their own", async () => {
  const tokens = ["__proto__", "constructor", "", "a"];
  const changes = { model: "gpt2", merges: [], tokens, token_type: new Int32Array([4, 4, 1, 1]) };
  const metadata = withPairs(prefixVocabulary(), {
    ...changes,
    eos_token_id: undefined,
    unknown_token_id: undefined,
    bos_token_id: undefined,
  });
  const tokenizer = await readGgufTokenizer(metadata);
  assertEquals([...tokenizer.encode("a__proto__constructor")], [3, 0, 1]);
  assertEquals(tokenizer.token(2), "[EMPTY_2]");
});

Deno.test("readGgufTokenizer() refuses vocabularies that it cannot read", async () => {
  const oneToken = {
    token_type: undefined,
    bos_token_id: undefined,
    eos_token_id: undefined,
    unknown_token_id: undefined,
  };
  const cases: [Record<string, GgufValue | undefined>, string][] = [
    [{ model: "bert" }, "tokenizer.ggml.model must be gpt2 or llama"],
    [{ model: undefined }, "tokenizer.ggml.model must be there"],
    [{ tokens: undefined }, "it must hold a vocabulary"],
    [{ tokens: ["a", "a"], ...oneToken }, "entries of the vocabulary must be unique"],
    [
      { tokens: ["a".repeat(2 ** 16)], scores: new Float32Array(1), ...oneToken },
      "squares of lengths",
    ],
    [{ scores: new Float32Array(3) }, "tokenizer.ggml.scores must have"],
    [{ scores: undefined }, "tokenizer.ggml.scores must be there"],
    [{ model: "gpt2" }, "tokenizer.ggml.merges must be there"],
    [{ model: "gpt2", merges: ["ab"] }, "a merge must have two parts"],
    [{ model: "gpt2", merges: [], pre: "unheard-of" }, "tokenizer.ggml.pre must be one of default"],
    [{ bos_token_id: 10_000 }, "tokenizer.ggml.bos_token_id must be below"],
  ];
  for (const [changes, message] of cases) {
    const error = await assertRejects(
      () => readGgufTokenizer(withPairs(prefixVocabulary(), changes)),
      Error,
      message,
    );
    assertEquals(error instanceof ModelFormatError || error instanceof TokenizerError, true);
  }
});
