/**
 * `tokenizer.json` checked before the library gets it. What the library would do differently from the Rust original
 * (and so silently change ids) is refused by name.
 */
import { type DecoderJson, tokenizerError } from "./token_bytes.ts";
import {
  readVocabulary,
  tokenId,
  type TokenizerVocabulary,
  tokensById,
} from "./tokenizer_vocabulary.ts";

/** What a tokenizer file holds. */
export interface TokenizerFile {
  /** The contents, for the library that encodes; its vocabulary is apart. */
  readonly encoder: EncoderJson;
  /** Entries without added tokens, and merges. */
  readonly vocabulary: TokenizerVocabulary;
  /** The decoder's description. */
  readonly decoder: DecoderJson | null;
  /** Vocabulary entries by id, added tokens included. */
  readonly tokens: readonly string[];
  /** Ids that `decode` leaves out. */
  readonly special: ReadonlySet<number>;
  /** Id that starts a text, if the tokenizer adds one. */
  readonly bosId: number | null;
  /** Tokens that are found in a text before it is split. */
  readonly added: readonly AddedToken[];
  /** Special tokens by their names in `tokenizer_config.json`. */
  readonly named: Readonly<Record<string, string>>;
  /** Added tokens that a chat treats as special; `null` where the file does not say. */
  readonly control: readonly string[] | null;
}

/** What the library that encodes reads. */
export interface EncoderJson {
  /** Options of BPE. */
  readonly model: Readonly<Record<string, unknown>>;
  /** Tokens that are found in a text before it is split, as the file has them. */
  readonly added_tokens: unknown;
  /** What happens to a text before that. */
  readonly normalizer: unknown;
  /** How texts are split. */
  readonly pre_tokenizer: unknown;
}

/** A token that is found in a text before it is split. */
export interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** Its text. */
  readonly content: string;
  /** Whether `decode` leaves it out. */
  readonly special: boolean;
}

type Json = Record<string, unknown>;

const MAX_DEPTH = 8;
const NAMED = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);
const PRE_TOKENIZERS = ["Sequence", "Split", "ByteLevel", "Digits", "Metaspace"];

/** GPT-2's pattern, which `ByteLevel` stands for where `use_regex` is set. */
const BYTE_LEVEL_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Checks the contents of `tokenizer.json` and `tokenizer_config.json`. Where a vocabulary is given, the one of
 * `tokenizer.json` is not looked at.
 */
export async function parseTokenizerFile(
  json: unknown,
  config: unknown,
  given?: TokenizerVocabulary,
): Promise<TokenizerFile> {
  const root = object(json, "tokenizer.json");
  const { vocab, merges, ...model } = readModel(root["model"]);
  const added = readAdded(root["added_tokens"] ?? []);
  const vocabulary = given ?? await readVocabulary(object(vocab, "vocab"), array(merges, "merges"));
  const tokens = await tokensById(vocabulary.ids, added);
  const settings = object(config, "tokenizer_config.json");
  const encoder = {
    model,
    added_tokens: root["added_tokens"] ?? [],
    normalizer: root["normalizer"] ?? null,
    pre_tokenizer: readPreTokenizer(root["pre_tokenizer"] ?? null, 0),
  };
  return {
    encoder,
    vocabulary,
    decoder: (root["decoder"] ?? null) as DecoderJson | null,
    tokens,
    special: new Set(added.filter((token) => token.special).map((token) => token.id)),
    bosId: readBosId(root["post_processor"] ?? null, settings, tokens),
    added,
    named: readNamed(settings),
    control: readControl(settings["chat_control_tokens"] ?? null),
  };
}

function readControl(tokens: unknown): string[] | null {
  if (tokens === null) return null;
  if (Array.isArray(tokens) && tokens.every((token) => typeof token === "string")) return tokens;
  throw tokenizerError("chat_control_tokens must be a list of texts", tokens);
}

function readNamed(config: Json): Record<string, string> {
  const named = NAMED.map((name) => [name, tokenName(config[name])] as const);
  return Object.fromEntries(named.filter((entry): entry is [string, string] => entry[1] !== null));
}

function readModel(value: unknown): Json {
  const model = object(value, "model");
  const type = model["type"] ?? (model["merges"] === undefined ? undefined : "BPE");
  if (type !== "BPE") throw tokenizerError("the model must be BPE", type);
  if (model["dropout"]) {
    throw tokenizerError("dropout of merges is not supported", model["dropout"]);
  }
  for (const affix of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[affix]) throw tokenizerError(`${affix} is not supported`, model[affix]);
  }
  return { ...model, type };
}

function readAdded(value: unknown): AddedToken[] {
  return array(value, "added_tokens").map((item) => {
    const { id, content, special, single_word } = object(item, "an added token");
    if (typeof content !== "string" || content === "") {
      throw tokenizerError("an added token must have content", content);
    }
    if (single_word) throw tokenizerError("added tokens must not be single_word", content);
    return { id: tokenId(id, content), content, special: special === true };
  });
}

function readPreTokenizer(value: unknown, depth: number): unknown {
  if (value === null) return null;
  const step = object(value, "pre_tokenizer");
  const type = step["type"];
  if (!PRE_TOKENIZERS.includes(type as string) || depth > MAX_DEPTH) {
    throw tokenizerError(`pre_tokenizer must be of ${PRE_TOKENIZERS.join(", ")}`, type);
  }
  if (type === "Split") assertSplit(step);
  if (type === "ByteLevel") return readByteLevel(step);
  if (type !== "Sequence") return step;
  const steps = array(step["pretokenizers"], "pretokenizers");
  return { ...step, pretokenizers: steps.map((part) => readPreTokenizer(part, depth + 1)) };
}

/** The library knows two of the behaviours, and takes the others for `Isolated`. */
function assertSplit({ behavior, invert = false }: Json): void {
  if (behavior === "Isolated" && !invert) return;
  if (behavior === "Removed") return;
  throw tokenizerError("Split must be Removed, or Isolated without invert", behavior);
}

/** The pattern that is built into `ByteLevel` is spelled out: the library translates its classes only in `Split`. */
function readByteLevel(step: Json): Json {
  const { use_regex = true, add_prefix_space = false } = step;
  if (!use_regex || add_prefix_space) return step;
  const split = { type: "Split", pattern: { Regex: BYTE_LEVEL_PATTERN }, behavior: "Isolated" };
  return { type: "Sequence", pretokenizers: [split, { ...step, use_regex: false }] };
}

/** `add_bos_token` decides where it is given, as in transformers; otherwise the post-processor. */
function readBosId(processor: unknown, config: Json, tokens: readonly string[]): number | null {
  const { add_bos_token: add } = config;
  if (add === false) return null;
  const name = add === true ? tokenName(config["bos_token"]) : firstOfTemplate(processor);
  if (name === null) return null;
  const id = tokens.indexOf(name);
  if (id < 0) throw tokenizerError("the token that starts a text must be in the vocabulary", name);
  return id;
}

function tokenName(token: unknown): string | null {
  const name = (token as { content?: unknown } | null | undefined)?.content ?? token;
  return typeof name === "string" ? name : null;
}

function firstOfTemplate(processor: unknown): string | null {
  if (processor === null) return null;
  const { type, processors, single } = object(processor, "post_processor");
  if (type === "Sequence" && Array.isArray(processors)) {
    return processors.map(firstOfTemplate).find((name) => name !== null) ?? null;
  }
  if (type === "ByteLevel") return null;
  if (type !== "TemplateProcessing" || !Array.isArray(single)) {
    throw tokenizerError("post_processor must be of Sequence, ByteLevel, TemplateProcessing", type);
  }
  const first = object(single[0] ?? {}, "a part of the template")["SpecialToken"];
  return tokenName((first as { id?: unknown } | undefined)?.id ?? null);
}

function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw tokenizerError(`${what} must be an object`, value);
}

function array(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw tokenizerError(`${what} must be an array`, value);
}
