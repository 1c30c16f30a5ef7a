/** From a question about heads to the rows that native calls take, and back. */
import type { TopKeys } from "../../ffi/backend.ts";
import type { AskingRows, FoundKeys, ListedKeys } from "../../ffi/index_operations.ts";
import type { IndexQuery } from "./kv_index.ts";

/** The queries of the asking heads, in their order. */
export function askingRows({ q, row, queries, heads, kv }: IndexQuery): AskingRows {
  const [, all = 0, dim = 0] = q.shape;
  const group = all / kv.table.kvHeads;
  const whole = queries ?? q.rows(row, 1).read();
  const rows = new Float32Array(heads.length * dim);
  heads.forEach((head, r) => rows.set(whole.subarray(head * dim, (head + 1) * dim), r * dim));
  return { q: rows, kvHeadOf: Int32Array.from(heads, (head) => Math.floor(head / group)) };
}

/** Lists of keys, one for each row, as one. */
export function listedKeys(rows: readonly ArrayLike<number>[]): ListedKeys {
  const ptr = new Int32Array(rows.length + 1);
  rows.forEach(({ length }, r) => ptr[r + 1] = ptr[r]! + length);
  const keys = new Int32Array(ptr[rows.length]!);
  rows.forEach((row, r) => keys.set(row, ptr[r]!));
  return { ptr, keys };
}

/** What was found, head by head, without the places that nothing was found for. */
export function topKeysOf({ keys, scores, scanned }: FoundKeys): TopKeys[] {
  const k = keys.length / scanned.length;
  return Array.from(scanned, (_, r) => {
    const row = keys.subarray(r * k, (r + 1) * k);
    const missing = row.indexOf(-1);
    const count = missing < 0 ? k : missing;
    return { indices: row.slice(0, count), scores: scores.slice(r * k, r * k + count) };
  });
}

/**
 * Keys to find for `query` in an index up to `end` that cannot leave out those which are not asked for, the keys from `query.end` on:
 * were all of them found, as many others would be missing.
 */
export function keysToFind({ topK, end: asked }: IndexQuery, end: number): number {
  return topK + Math.max(0, end - asked);
}

/** Of the keys that were found, the best first, those that `query` asks for. */
export function askedKeys({ topK, end }: IndexQuery, found: readonly TopKeys[]): TopKeys[] {
  return found.map(({ indices, scores }) => ({
    indices: indices.filter((key) => key < end).slice(0, topK),
    scores: scores.filter((_, i) => indices[i]! < end).slice(0, topK),
  }));
}
