import { assert, assertEquals, assertRejects } from "@std/assert";
import { TokenizerError } from "../../ffi/errors.ts";
import { loadTokenizer, readTokenizer } from "../../lib/model/tokenizer.ts";
import type { Tokenizer } from "../../lib/model/types.ts";
import { fixture, sharedData } from "./fixtures.ts";

interface TokenizerCase {
  vocabSize: number;
  ids: number[][];
  started: number[][];
  decoded: string[];
  decodedSpecial: string[];
  random?: { ids: number[]; decoded: string }[];
}

type Json = Record<string, unknown>;

const expected: { texts: string[]; tokenizers: Record<string, TokenizerCase> } = JSON.parse(
  await Deno.readTextFile(fixture("tokenizers.json")),
);

const folders: [name: string, folder: string | null][] = [
  ["tokenizer_bytes", fixture("tokenizer_bytes")],
  ["tokenizer_fallback", fixture("tokenizer_fallback")],
  ["tinystories-656k", sharedData("models/tinystories-656k")],
];

for (const [name, folder] of folders) {
  const { vocabSize, ids, started, decoded, decodedSpecial, random = [] } = expected
    .tokenizers[name]!;
  const test = (does: string, check: (tokenizer: Tokenizer) => void): void =>
    Deno.test({ name: `${name}: ${does}`, ignore: folder === null }, async () => {
      check(await loadTokenizer(folder!));
    });

  test("encode() gives the ids of the Python tokenizers", (tokenizer) => {
    assertEquals(tokenizer.vocabSize, vocabSize);
    for (const [i, text] of expected.texts.entries()) {
      assertEquals([...tokenizer.encode(text)], ids[i], JSON.stringify(text));
    }
  });

  test("encode() with bos starts as the post-processor does, once", (tokenizer) => {
    for (const [i, text] of expected.texts.entries()) {
      const own = started[i]![0] === started[i]![1] ? started[i]!.slice(1) : started[i]!;
      assertEquals([...tokenizer.encode(text, { bos: true })], own, JSON.stringify(text));
    }
  });

  test("decode() gives the text of the Python tokenizers", (tokenizer) => {
    for (const [i, text] of expected.texts.entries()) {
      // Python loses track of added tokens that are normalized, such as the <unk> of tinystories.
      if (name === "tinystories-656k" && ids[i]!.some((id) => id < 3)) continue;
      assertEquals(tokenizer.decode(ids[i]!), decoded[i], JSON.stringify(text));
      assertEquals(tokenizer.decode(ids[i]!, { special: true }), decodedSpecial[i]);
    }
  });

  test("decode() gives the text of the Python tokenizers for ids in any order", (tokenizer) => {
    for (const { ids, decoded } of random) assertEquals(tokenizer.decode(ids), decoded);
  });

  test("stream() joined is decode(), and no piece holds half a character", (tokenizer) => {
    for (const [i, text] of expected.texts.entries()) {
      const pieces = streamed(tokenizer, ids[i]!);
      assertEquals(pieces.join(""), tokenizer.decode(ids[i]!), JSON.stringify(text));
      for (const piece of pieces) assert(!piece.includes("\ufffd") && piece.isWellFormed());
    }
    for (const { ids } of random) {
      assertEquals(streamed(tokenizer, ids).join(""), tokenizer.decode(ids));
    }
  });

  test("piece() shows every byte of a text, those of half characters by number", (tokenizer) => {
    for (const [i, text] of expected.texts.entries()) {
      if (/<0x/.test(text) || ids[i]!.some((id) => id < 3)) continue;
      const shown = ids[i]!.map((id) => tokenizer.piece(id)).join("");
      const bytes = shown.split(/(<0x[0-9A-F]{2}>)/).flatMap((part, at) =>
        at % 2 === 0 ? [...new TextEncoder().encode(part)] : [parseInt(part.slice(3, 5), 16)]
      );
      const whole = Uint8Array.from(bytes);
      assert(
        new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole).endsWith(decodedSpecial[i]!),
        JSON.stringify(text),
      );
    }
  });

  test("token() is the vocabulary entry, and empty for an id beyond it", (tokenizer) => {
    const id = tokenizer.encode("the")[0]!;
    assert(tokenizer.token(id).length > 0);
    assertEquals(tokenizer.token(vocabSize), "");
    assertEquals(tokenizer.token(-1), "");
    assertEquals(tokenizer.decode([vocabSize, vocabSize + 7]), "");
  });
}

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = tokenizer.stream();
  return [...ids.map((id) => stream.push(id)), stream.flush()];
}

Deno.test("encode() takes text with half a surrogate pair", async () => {
  const tokenizer = await loadTokenizer(fixture("tokenizer_bytes"));
  assertEquals(tokenizer.decode(tokenizer.encode("a\ud83db")), "a\ufffdb");
});

Deno.test("stream() holds back an unfinished character until flush()", async () => {
  const tokenizer = await loadTokenizer(fixture("tokenizer_fallback"));
  const [start, ...bytes] = tokenizer.encode("\u{1f525}");
  assertEquals(bytes.length, 4);
  const stream = tokenizer.stream();
  assertEquals(stream.push(start!), "");
  assertEquals(bytes.slice(0, 3).map((id) => stream.push(id)), ["", "", ""]);
  assertEquals(stream.flush(), "\ufffd");
});

Deno.test("stream() leaves out special tokens and the leading space", async () => {
  const tokenizer = await loadTokenizer(fixture("tokenizer_fallback"));
  const ids = tokenizer.encode("the day", { bos: true });
  assertEquals(streamed(tokenizer, [...ids]).join(""), "the day");
});

const bytesFile = JSON.parse(
  await Deno.readTextFile(`${fixture("tokenizer_bytes")}/tokenizer.json`),
);

/** The byte-level fixture with a changed part. */
function changed(change: (json: { [key: string]: Json & { vocab: Json } }) => void): Json {
  const json = structuredClone(bytesFile);
  change(json);
  return json;
}

Deno.test("encode() splits as GPT-2 where ByteLevel has the pattern", async () => {
  const json = changed((json) => {
    json["pre_tokenizer"] = { type: "ByteLevel", add_prefix_space: false } as never;
    json["model"]!.vocab["\u0120\u00ef"] = 420;
    (json["model"]!["merges"] as unknown[]).push(["\u0120", "\u00ef"]);
  });
  const tokenizer = await readTokenizer(json);
  const tokens = [...tokenizer.encode("x \ufeffy")].map((id) => tokenizer.token(id));
  assertEquals(tokens, ["x", "\u0120\u00ef", "\u00bb", "\u00bf", "y"]);
});

Deno.test("bosId follows add_bos_token where that is given", async () => {
  assertEquals((await readTokenizer(bytesFile)).bosId, 0);
  assertEquals((await readTokenizer(bytesFile, { add_bos_token: false })).bosId, null);
  const config = { add_bos_token: true, bos_token: "<|eos|>" };
  assertEquals((await readTokenizer(bytesFile, config)).bosId, 1);
  const bare = { ...bytesFile, post_processor: null };
  const tokenizer = await readTokenizer(bare);
  assertEquals(tokenizer.bosId, null);
  assertEquals(tokenizer.encode("a", { bos: true }), tokenizer.encode("a"));
});

const split = { type: "Split", pattern: { Regex: " " } };
const damaged: [name: string, json: unknown, message: string][] = [
  ["null", null, "tokenizer.json must be an object"],
  ["an empty object", {}, "model must be an object"],
  ["another model", changed((json) => json["model"]!["type"] = "Unigram"), "must be BPE"],
  ["a negative id", changed((json) => json["model"]!.vocab["zz"] = -1), "must be from 0"],
  ["an absurd id", changed((json) => json["model"]!.vocab["zz"] = 1e12), "must be from 0"],
  ["a repeated id", changed((json) => json["model"]!.vocab["zz"] = 5), "must be unique"],
  ["merges of numbers", changed((json) => json["model"]!["merges"] = [1]), "two strings"],
  ["no merges", changed((json) => json["model"]!["merges"] = null), "merges must be an array"],
  [
    "a prefix of continued words",
    changed((json) => json["model"]!["continuing_subword_prefix"] = "##"),
    "continuing_subword_prefix",
  ],
  [
    "another pre-tokenizer",
    changed((json) => json["pre_tokenizer"] = { type: "BertPreTokenizer" } as never),
    "pre_tokenizer must be of",
  ],
  [
    "a split that merges",
    changed((json) => json["pre_tokenizer"] = { ...split, behavior: "MergedWithNext" } as never),
    "Split must be",
  ],
  [
    "a pattern that is none",
    changed((json) =>
      json["pre_tokenizer"] = { ...split, pattern: { Regex: "(" }, behavior: "Isolated" } as never
    ),
    "damaged or not supported",
  ],
  ["another decoder", changed((json) => json["decoder"] = { type: "CTC" } as never), "CTC"],
  ["no decoder", changed((json) => json["decoder"] = null as never), "the decoder must be"],
  [
    "another normalizer",
    changed((json) => json["normalizer"] = { type: "Nonsense" } as never),
    "damaged or not supported",
  ],
  [
    "an added token without content",
    changed((json) => json["added_tokens"] = [{ id: 1 }] as never),
    "must have content",
  ],
  [
    "a post-processor that is unknown",
    changed((json) => json["post_processor"] = { type: "Nonsense" } as never),
    "post_processor must be of",
  ],
];

for (const [name, json, message] of damaged) {
  Deno.test(`readTokenizer() refuses ${name}`, async () => {
    await assertRejects(() => readTokenizer(json), TokenizerError, message);
  });
}

Deno.test("readTokenizer() refuses parts nested without end", async () => {
  let step: unknown = { type: "ByteLevel" };
  for (let i = 0; i < 50_000; i++) {
    step = { type: "Sequence", decoders: [step], pretokenizers: [step] };
  }
  for (const part of ["pre_tokenizer", "decoder"]) {
    await assertRejects(() => readTokenizer({ ...bytesFile, [part]: step }), TokenizerError);
  }
});

Deno.test("loadTokenizer() names a file that is absent or damaged", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(() => loadTokenizer(folder), TokenizerError, "tokenizer.json as it does");
    await Deno.writeTextFile(`${folder}/tokenizer.json`, "[1");
    await assertRejects(() => loadTokenizer(folder), TokenizerError, "tokenizer.json as it is not");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
