/** `vocab` and `merges` of `tokenizer.json`: the parts that are long. */
import { showValue } from "../../ffi/refusal.ts";
import { tokenizerError } from "./token_bytes.ts";
import { inSlices, pause } from "./tokenizer_slices.ts";

/** Entries and merges, as the library that encodes looks them up. */
export interface TokenizerVocabulary {
  /** Ids of entries. */
  readonly ids: Map<string, number>;
  /** The place of a merge among all, by {@link mergeKey}. */
  readonly ranks: Map<string, number>;
}

/** Two entries that make a third. */
export type Merge = readonly [left: string, right: string];

const MAX_ID = 2 ** 22;

/** What the library asks for a merge by. */
export function mergeKey(merge: Merge): string {
  return JSON.stringify(merge);
}

/** Checks `vocab` and `merges` of a model. */
export async function readVocabulary(
  vocab: object,
  merges: readonly unknown[],
): Promise<TokenizerVocabulary> {
  const bad = merges.find((merge) => !isMerge(merge));
  if (bad !== undefined) throw tokenizerError("a merge must be two strings", bad);
  const parts = (merges as (string | Merge)[]).values().map(mergeParts);
  return { ids: await readIds(vocab as Record<string, unknown>), ranks: await rankMerges(parts) };
}

/** Ranks of merges, the first of which comes first. */
export async function rankMerges(merges: Iterable<Merge>): Promise<Map<string, number>> {
  const ranks = new Map<string, number>();
  await inSlices(merges, (merge, rank) => ranks.set(mergeKey(merge), rank));
  return ranks;
}

/** Entries by id, those of `added` in place of others; ids between them that have none are empty. */
export async function tokensById(
  ids: ReadonlyMap<string, number>,
  added: readonly { readonly id: number; readonly content: string }[],
): Promise<string[]> {
  const tokens: string[] = [];
  await inSlices(ids, ([token, id]) => {
    if (tokens[id] !== undefined) throw tokenizerError("ids in vocab must be unique", id);
    tokens[id] = token;
  });
  for (const { id, content } of added) tokens[id] = content;
  await pause();
  return Array.from(tokens, (token) => token ?? "");
}

/** The id of an entry, if it is one. */
export function tokenId(id: unknown, token: string): number {
  if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < MAX_ID) {
    return id as number;
  }
  throw tokenizerError(`the id of ${showValue(token)} must be from 0 to ${MAX_ID - 1}`, id);
}

async function readIds(vocab: Readonly<Record<string, unknown>>): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  await inSlices(Object.keys(vocab), (token) => ids.set(token, tokenId(vocab[token], token)));
  return ids;
}

function isMerge(merge: unknown): boolean {
  if (typeof merge === "string") return merge.includes(" ");
  return Array.isArray(merge) && merge.length === 2 &&
    merge.every((part) => typeof part === "string");
}

/** As the library reads them. */
function mergeParts(merge: string | Merge): Merge {
  if (typeof merge !== "string") return merge;
  const [left, right] = merge.split(" ", 2);
  return [left!, right!];
}
