/**
 * How byte-level BPE vocabularies cut a text before merging, by `tokenizer.ggml.pre`: the patterns of llama.cpp's
 * `llama-vocab.cpp`, each applied to the pieces that the one before it left. Where a file's pattern stands for that of the
 * original tokenizer (which llama.cpp's regular expressions could not spell), the original is used.
 */
import type { GgufMetadata } from "./metadata.ts";

/** How a text is cut. */
export interface PreTokenizer {
  /** Patterns in the order of their use. */
  readonly patterns: readonly string[];
  /** Whether a piece that is in the vocabulary is taken as it is, whatever merges say. */
  readonly ignoreMerges: boolean;
  /** Whether a text starts with BOS where the file does not say. */
  readonly addBos: boolean;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const ENDINGS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const REST = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CASED_REST = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const BEFORE = "[^\\r\\n\\p{L}\\p{N}]?";

const LLAMA3 = pattern(`${ENDINGS}|${BEFORE}\\p{L}+|\\p{N}{1,3}|${REST}`);
const QWEN2 = pattern(`${ENDINGS}|${BEFORE}\\p{L}+|\\p{N}|${REST}`);
const TEKKEN = pattern(
  `${BEFORE}${UPPER}*${LOWER}+|${BEFORE}${UPPER}+${LOWER}*|\\p{N}|${CASED_REST}`,
);
const GPT4O = pattern(
  `${BEFORE}${UPPER}*${LOWER}+${ENDINGS}?|${BEFORE}${UPPER}+${LOWER}*${ENDINGS}?|\\p{N}{1,3}|${CASED_REST}`,
);
const DIGITS_APART = pattern("\\p{N}", GPT2);
const PLAIN = pattern(GPT2);
const DEFAULT = pattern("[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]");
const FALCON = pattern("[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]");

/** Also names that only files of other families use: an entry costs a line. */
const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ["default", DEFAULT],
  ["falcon", FALCON],
  ...named(["llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"], {
    ...LLAMA3,
    ignoreMerges: true,
    addBos: true,
  }),
  ...named(["dbrx", "smaug-bpe"], LLAMA3),
  ...named(["qwen2", "stablelm2", "deepseek-r1-qwen", "megrez"], QWEN2),
  ...named(["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone"], DIGITS_APART),
  ...named(["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4"], PLAIN),
  ["tekken", { ...TEKKEN, ignoreMerges: true, addBos: true }],
  ...named(["gpt-4o", "llama4"], GPT4O),
]);

/** The pre-tokenizer that a file names; `default` where it names none, as in llama.cpp. */
export function readPreTokenizer(metadata: GgufMetadata): PreTokenizer {
  const name = metadata.text("tokenizer.ggml.pre") ?? "default";
  const found = PRE_TOKENIZERS.get(name);
  if (found !== undefined) return found;
  const names = [...PRE_TOKENIZERS.keys()].join(", ");
  throw metadata.wrong(`tokenizer.ggml.pre must be one of ${names}`, name);
}

function pattern(...patterns: string[]): PreTokenizer {
  return { patterns, ignoreMerges: false, addBos: false };
}

function named(names: readonly string[], pre: PreTokenizer): [string, PreTokenizer][] {
  return names.map((name) => [name, pre]);
}
