/** The vocabulary of a GGUF file. */
import type { GgufMetadata } from "./metadata.ts";

/** What a vocabulary entry is, as llama.cpp numbers it. */
export const TokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  user: 4,
  unused: 5,
  byte: 6,
} as const;

/** Names of special tokens in `tokenizer_config.json`, and their keys in a GGUF file. */
const SPECIAL = {
  bos_token: "bos_token_id",
  eos_token: "eos_token_id",
  unk_token: "unknown_token_id",
  sep_token: "seperator_token_id",
  pad_token: "padding_token_id",
  mask_token: "mask_token_id",
} as const;

/** Keys of ids that end a generation. */
const ENDS = ["eos_token_id", "eot_token_id", "eom_token_id"];

/** Control tokens that end a generation whether or not a key names them, as in llama.cpp. */
const END_TEXTS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "<end_of_utterance>",
]);

/** A vocabulary. */
export interface GgufVocabulary {
  /** Entries by id. */
  readonly tokens: readonly string[];
  /** A {@link TokenType} each. */
  readonly types: ArrayLike<number>;
  /** Entries by their names in `tokenizer_config.json`. */
  readonly named: Readonly<Record<string, string>>;
}

/** Reads the vocabulary. */
export function readVocabulary(metadata: GgufMetadata): GgufVocabulary {
  const stored = metadata.texts("tokenizer.ggml.tokens");
  if (stored === undefined) throw metadata.wrong("it must hold a vocabulary", undefined);
  const tokens = stored.map((token, id) => token === "" ? `[EMPTY_${id}]` : token);
  const types = perToken("token_type", tokens.length, metadata) ??
    new Uint8Array(tokens.length).fill(TokenType.normal);
  const named: Record<string, string> = {};
  for (const [name, key] of Object.entries(SPECIAL)) {
    const id = tokenId(key, tokens.length, metadata);
    if (id !== undefined) named[name] = tokens[id]!;
  }
  return { tokens, types, named };
}

/** Numbers that go with the vocabulary, one an entry. */
export function perToken(
  key: string,
  tokens: number,
  metadata: GgufMetadata,
): ArrayLike<number> | undefined {
  const numbers = metadata.numbers(`tokenizer.ggml.${key}`);
  if (numbers === undefined || numbers.length === tokens) return numbers;
  throw metadata.wrong(`tokenizer.ggml.${key} must have ${tokens} entries`, numbers.length);
}

/** Ids that end a generation. */
export function endIds(metadata: GgufMetadata): number[] {
  const { tokens, types } = readVocabulary(metadata);
  const ids = new Set(ENDS.map((key) => tokenId(key, tokens.length, metadata)));
  for (const [id, token] of tokens.entries()) {
    if (types[id] === TokenType.control && END_TEXTS.has(token)) ids.add(id);
  }
  return [...ids].filter((id) => id !== undefined);
}

function tokenId(key: string, tokens: number, metadata: GgufMetadata): number | undefined {
  const id = metadata.count(`tokenizer.ggml.${key}`);
  if (id === undefined || id < tokens) return id;
  throw metadata.wrong(`tokenizer.ggml.${key} must be below ${tokens}`, id);
}
