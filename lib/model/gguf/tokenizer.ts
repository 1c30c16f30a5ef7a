/** The tokenizer of a GGUF file, as the `tokenizer.json` and `tokenizer_config.json` that mean the same. */
import { TokenizerError } from "../../../ffi/errors.ts";
import { refusal } from "../../../ffi/refusal.ts";
import { readTokenizer } from "../tokenizer.ts";
import { inSlices } from "../tokenizer_slices.ts";
import { type Merge, rankMerges } from "../tokenizer_vocabulary.ts";
import type { Tokenizer } from "../types.ts";
import type { GgufMetadata } from "./metadata.ts";
import { type PreTokenizer, readPreTokenizer } from "./pre_tokenizers.ts";
import { scoreRanks } from "./score_merges.ts";
import { type GgufVocabulary, perToken, readVocabulary, TokenType } from "./vocabulary.ts";

/** What kind of vocabulary a file has, as `tokenizer.json` says it. */
interface Kind {
  readonly model: Readonly<Record<string, unknown>>;
  readonly ranks: Map<string, number>;
  readonly normalizer: object | null;
  readonly preTokenizer: object | null;
  readonly decoder: object;
  /** Whether a text starts with BOS where the file does not say. */
  readonly addBos: boolean;
}

const TEMPLATE = "tokenizer.chat_template";
/** A space, as SentencePiece writes it. */
const SPACE = "\u2581";
/** Some fifty times what the largest vocabularies need. */
const MAX_CUTTING = 2 ** 30;
const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, use_regex: false };

/** The tokenizer that a file's metadata describe. */
export async function readGgufTokenizer(metadata: GgufMetadata): Promise<Tokenizer> {
  const vocabulary = readVocabulary(metadata);
  const ids = await idsOf(vocabulary, metadata);
  const kind = await readKind(vocabulary, ids, metadata);
  const json = {
    added_tokens: await addedTokens(vocabulary),
    normalizer: kind.normalizer,
    pre_tokenizer: kind.preTokenizer,
    post_processor: null,
    decoder: kind.decoder,
    model: { type: "BPE", ...kind.model },
  };
  const bos = metadata.flag("tokenizer.ggml.add_bos_token") ?? kind.addBos;
  const add_bos_token = bos && vocabulary.named["bos_token"] !== undefined;
  const config = { ...vocabulary.named, add_bos_token };
  return await readTokenizer(json, config, templates(metadata), { ids, ranks: kind.ranks });
}

async function readKind(
  vocabulary: GgufVocabulary,
  ids: ReadonlyMap<string, number>,
  metadata: GgufMetadata,
): Promise<Kind> {
  const model = metadata.needText("tokenizer.ggml.model");
  if (model === "gpt2") return await byteLevel(readPreTokenizer(metadata), metadata);
  if (model === "llama") return await sentencePiece(vocabulary, ids, metadata);
  const rule = "tokenizer.ggml.model must be gpt2 or llama";
  throw refusal(TokenizerError, "read the tokenizer", rule, model);
}

async function byteLevel(
  { patterns, ignoreMerges, addBos }: PreTokenizer,
  metadata: GgufMetadata,
): Promise<Kind> {
  const merges = metadata.texts("tokenizer.ggml.merges");
  if (merges === undefined) throw metadata.wrong("tokenizer.ggml.merges must be there", undefined);
  const splits = patterns.map((Regex) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  }));
  return {
    model: { ignore_merges: ignoreMerges },
    ranks: await rankMerges(merges.values().map(mergeParts)),
    normalizer: null,
    preTokenizer: { type: "Sequence", pretokenizers: [...splits, BYTE_LEVEL] },
    decoder: { type: "ByteLevel" },
    addBos,
  };
}

/** A part may begin with a space. */
function mergeParts(merge: string): Merge {
  const space = merge.indexOf(" ", 1);
  if (space > 0) return [merge.slice(0, space), merge.slice(space + 1)];
  throw refusal(TokenizerError, "read the tokenizer", "a merge must have two parts", merge);
}

async function sentencePiece(
  { tokens, named }: GgufVocabulary,
  ids: ReadonlyMap<string, number>,
  metadata: GgufMetadata,
): Promise<Kind> {
  const scores = perToken("scores", tokens.length, metadata);
  if (scores === undefined) throw metadata.wrong("tokenizer.ggml.scores must be there", undefined);
  assertCuttable(tokens, metadata);
  const prefixed = metadata.flag("tokenizer.ggml.add_space_prefix") ?? true;
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  const words = { type: "Replace", pattern: { String: SPACE }, content: " " };
  const prefix = { type: "Prepend", prepend: SPACE };
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return {
    model: {
      byte_fallback: true,
      fuse_unk: true,
      unk_token: named["unk_token"] ?? null,
    },
    ranks: await scoreRanks(tokens, ids, scores),
    normalizer: { type: "Sequence", normalizers: prefixed ? [prefix, spaces] : [spaces] },
    preTokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [words, { type: "ByteFallback" }, { type: "Fuse" }, ...(prefixed ? [strip] : [])],
    },
    addBos: true,
  };
}

/** Cutting an entry everywhere takes time with the square of its length. */
function assertCuttable(tokens: readonly string[], metadata: GgufMetadata): void {
  let work = 0;
  for (const { length } of tokens) work += length ** 2;
  if (work <= MAX_CUTTING) return;
  throw metadata.wrong(`squares of lengths of its tokens must add to ${MAX_CUTTING} or less`, work);
}

async function idsOf(
  { tokens }: GgufVocabulary,
  metadata: GgufMetadata,
): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  await inSlices(tokens, (token, id) => {
    if (ids.set(token, id).size > id) return;
    throw metadata.wrong("entries of the vocabulary must be unique", token);
  });
  return ids;
}

/** Tokens that are found in a text before it is split. */
async function addedTokens({ tokens, types }: GgufVocabulary): Promise<object[]> {
  const added: object[] = [];
  await inSlices(tokens, (content, id) => {
    const special = types[id] === TokenType.control || types[id] === TokenType.unknown;
    if (!special && types[id] !== TokenType.user) return;
    added.push({ id, content, special, normalized: false });
  });
  return added;
}

/** `tokenizer.chat_template`, and others by the name behind it. */
function templates(metadata: GgufMetadata): Map<string, string> {
  const found = new Map<string, string>();
  for (const key of metadata.keys) {
    if (key !== TEMPLATE && !key.startsWith(`${TEMPLATE}.`)) continue;
    found.set(key.slice(TEMPLATE.length + 1) || "default", metadata.needText(key));
  }
  return found;
}
