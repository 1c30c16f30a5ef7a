/** Vocabularies for tokenizer tests, as contents of GGUF files without tensors. */
import type { GgufMetadata } from "../../../lib/model/gguf/metadata.ts";
import { TokenType } from "../../../lib/model/gguf/vocabulary.ts";
import type { GgufContent, Pair } from "./writer.ts";

/** Pre-tokenizers that are compared with llama.cpp, one of each kind. */
export const PRE_NAMES = [
  "default",
  "falcon",
  "llama-bpe",
  "dbrx",
  "qwen2",
  "gpt-2",
  "tekken",
  "gpt-4o",
] as const;

const ARCHITECTURE: Pair = { key: "general.architecture", type: "string", value: "llama" };

/** The byte-level vocabulary of a file, to be cut as `pre` says. */
export function withPre(metadata: GgufMetadata, pre: string): GgufContent {
  const strings = (key: string): Pair => ({
    key: `tokenizer.ggml.${key}`,
    type: "string",
    value: metadata.texts(`tokenizer.ggml.${key}`),
  });
  const types = [...metadata.numbers("tokenizer.ggml.token_type")!];
  return {
    pairs: [
      ARCHITECTURE,
      { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
      { key: "tokenizer.ggml.pre", type: "string", value: pre },
      { key: "tokenizer.ggml.token_type", type: "i32", value: types },
      strings("tokens"),
      strings("merges"),
      { key: "tokenizer.ggml.add_bos_token", type: "bool", value: false },
    ],
  };
}

/** A SentencePiece vocabulary with bytes, a few words; texts get a space in front. */
export function prefixVocabulary(): GgufContent {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`);
  const letters = [..."▁abcdefghijklmnopqrstuvwxyz"];
  const words = [
    "▁t",
    "he",
    "▁the",
    "in",
    "an",
    "▁a",
    "er",
    "on",
    "re",
    "▁▁",
    "▁▁▁▁",
    "and",
    "▁and",
  ]
    .concat(["aa", "aaa", "aaaa", "ing", "ear", "▁no", "ou", "en", "est", "▁s"]);
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...words, ...letters, "<tool>"];
  const { unknown, control, byte, normal, user } = TokenType;
  const types = [
    unknown,
    control,
    control,
    ...bytes.map(() => byte),
    ...words.map(() => normal),
    ...letters.map(() => normal),
    user,
  ];
  return {
    pairs: [
      ARCHITECTURE,
      { key: "tokenizer.ggml.model", type: "string", value: "llama" },
      { key: "tokenizer.ggml.tokens", type: "string", value: tokens },
      { key: "tokenizer.ggml.token_type", type: "i32", value: types },
      { key: "tokenizer.ggml.scores", type: "f32", value: tokens.map((_, id) => -id) },
      { key: "tokenizer.ggml.bos_token_id", type: "u32", value: 1 },
      { key: "tokenizer.ggml.eos_token_id", type: "u32", value: 2 },
      { key: "tokenizer.ggml.unknown_token_id", type: "u32", value: 0 },
    ],
  };
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
