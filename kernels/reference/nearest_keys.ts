/** Exact scores of keys that indexes are made of and compared with. */
import { dot } from "./linear.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import { topKeys } from "./scan.ts";
import type { Steps } from "./steps.ts";

/** Keys and scores of rows, `[rows, k]`: falling scores, -1 and -Infinity where there are no more. */
export interface KeyRows {
  /** Key numbers. */
  readonly keys: Int32Array;
  /** `q . k` */
  readonly scores: Float32Array;
}

/** The `k` keys of `start <= j < end` with the largest `q . k` for each row of q `[rows, dim]`. */
export function* nearestKeys(
  q: Float32Array,
  head: KvHead,
  start: number,
  end: number,
  k: number,
  { keys, scores }: KeyRows,
): Steps {
  keys.fill(-1);
  scores.fill(-Infinity);
  for (let row = 0; row * head.dim < q.length; row++) {
    const best = topKeys(q, row * head.dim, head, start, end, k);
    keys.set(best.indices, row * k);
    scores.set(best.scores, row * k);
    yield;
  }
}

/** `scores[x] = q[r] . keys[x]` for `ptr[r] <= x < ptr[r + 1]`; `headOf(r)` are the keys of row r. */
export function* scoreKeys(
  q: Float32Array,
  headOf: (row: number) => KvHead,
  ptr: Int32Array,
  keys: Int32Array,
  scores: Float32Array,
): Steps {
  for (let row = 0; row + 1 < ptr.length; row++) {
    const head = headOf(row);
    for (let x = ptr[row]!; x < ptr[row + 1]!; x++) {
      const key = keys[x]!;
      scores[x] = dot(q, row * head.dim, pageOf(head, key).k, slotOf(head, key), head.dim);
    }
    yield;
  }
}
