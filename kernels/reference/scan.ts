/** Operations that look at all keys: the pooled map and the search for the best keys. */
import { type Kv, kvHeadOf, type Queries, scoresOf } from "./attention.ts";
import { dot } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { Steps } from "./steps.ts";

/**
 * Adds rows `qStart ..` of a head's dense causal map to a pooled map: token i falls into bin `floor(i * bins / n)`;
 * `sum` gains probabilities, `max` keeps the largest. Both are `[bins, bins]` and change only when all rows are done.
 */
export function* poolMap(
  { q, heads, dim, scale }: Queries,
  qStart: number,
  head: number,
  kv: Kv,
  bins: number,
  sum: Float32Array,
  max: Float32Array,
): Steps {
  const sums = Float64Array.from(sum);
  const maxima = Float32Array.from(max);
  const bin = (token: number) => Math.floor(token * bins / kv.length);
  for (let t = 0; t < q.length / (heads * dim); t++) {
    const position = qStart + t;
    const keys = Array.from({ length: position + 1 }, (_, j) => j);
    const first = (t * heads + head) * dim;
    const scores = scoresOf(q, first, scale, kvHeadOf(kv, heads, head), keys);
    const lse = logSumExp(scores);
    for (const j of keys) {
      const prob = Math.exp(scores[j]! - lse);
      const cell = bin(position) * bins + bin(j);
      sums[cell]! += prob;
      maxima[cell] = Math.max(maxima[cell]!, prob);
    }
    yield;
  }
  sum.set(sums);
  max.set(maxima);
}

/** What a top-k scan of keys found for one query head. */
export interface TopKeys {
  /** Key numbers in falling score order, equal scores by lower number; fewer than `k` where the range is shorter. */
  readonly indices: Int32Array;
  /** `q . k` of each, without `1/sqrt(dim)`. */
  readonly scores: Float32Array;
}

/** The `k` keys of `start <= j < end` with the largest `q . k`; the query starts at `q[first]`. */
export function topKeys(
  q: Float32Array,
  first: number,
  kv: KvHead,
  start: number,
  end: number,
  k: number,
): TopKeys {
  const scores = new Float32Array(end - start);
  for (let j = start; j < end; j++) {
    scores[j - start] = dot(q, first, pageOf(kv, j).k, slotOf(kv, j), kv.dim);
  }
  const order = Int32Array.from(scores, (_, i) => i);
  const best = order.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, k);
  return {
    indices: best.map((i) => i + start),
    scores: Float32Array.from(best, (i) => scores[i]!),
  };
}
