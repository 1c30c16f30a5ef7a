/** Attention over lists of keys, and what is derived from it. Head h of q reads KV head `h / group`. */
import { keysOfPlan, keysOfRow } from "./keys.ts";
import { dot } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { KeyPlan, TilePlan } from "./plans.ts";
import type { Steps } from "./steps.ts";

/** Keys and values of a call. */
export interface Kv {
  /** KV heads. */
  readonly heads: readonly KvHead[];
  /** Tokens in the cache. */
  readonly length: number;
}

/** Queries of a call, `[T, heads, dim]`, and the factor of their scores. */
export interface Queries {
  /** `[T, heads, dim]` */
  readonly q: Float32Array;
  /** Query heads. */
  readonly heads: number;
  /** Head dimension. */
  readonly dim: number;
  /** Factor of `q . k` before the softmax. */
  readonly scale: number;
}

/** Attention over some of the keys of a call. */
export interface PartialArrays {
  /** `[rows, dim]` */
  readonly out: Float32Array;
  /** Log-sum-exp of the scaled scores, `[rows]`. */
  readonly lse: Float32Array;
}

/** The KV head that query head `head` of `heads` reads. */
export function kvHeadOf(kv: Kv, heads: number, head: number): KvHead {
  return kv.heads[kvHeadNumber(head, heads, kv.heads.length)]!;
}

/** Number of the KV head, of `kvHeads`, that query head `head` of `heads` reads: `head / group`. */
export function kvHeadNumber(head: number, heads: number, kvHeads: number): number {
  return Math.floor(head / (heads / kvHeads));
}

/** `scores[i] = scale q . k[keys[i]]`; the query starts at `q[first]`. */
export function scoresOf(
  q: Float32Array,
  first: number,
  scale: number,
  kv: KvHead,
  keys: readonly number[],
): Float64Array {
  return Float64Array.from(
    keys,
    (key) => scale * dot(q, first, pageOf(kv, key).k, slotOf(kv, key), kv.dim),
  );
}

/** `out = sum softmax(scores)[i] v[keys[i]]`, `[dim]`; returns lse. No keys: zeros and `-Infinity`. */
function attendRow(
  q: Float32Array,
  first: number,
  scale: number,
  kv: KvHead,
  keys: readonly number[],
  out: Float32Array,
): number {
  const scores = scoresOf(q, first, scale, kv, keys);
  const lse = logSumExp(scores);
  const sum = new Float64Array(kv.dim);
  for (const [i, key] of keys.entries()) {
    const prob = Math.exp(scores[i]! - lse);
    const { v } = pageOf(kv, key);
    const slot = slotOf(kv, key);
    for (let d = 0; d < kv.dim; d++) sum[d]! += prob * v[slot + d]!;
  }
  out.set(sum);
  return lse;
}

/** Rows times heads of a call, each over the keys that `keysOf(row, head)` lists; out as q, lse `[T, heads]`. */
export function* attend(
  { q, heads, dim, scale }: Queries,
  kv: Kv,
  keysOf: (row: number, head: number) => readonly number[],
  out: Float32Array,
  lse: Float32Array,
): Steps {
  for (let x = 0; x < lse.length; x++) {
    const head = x % heads;
    const keys = keysOf(Math.floor(x / heads), head);
    const target = out.subarray(x * dim, (x + 1) * dim);
    lse[x] = attendRow(q, x * dim, scale, kvHeadOf(kv, heads, head), keys, target);
    yield;
  }
}

/** Prefill: row t is token `qStart + t`, head h follows `plans[h]`. */
export function attendTiles(
  queries: Queries,
  qStart: number,
  kv: Kv,
  plans: readonly TilePlan[],
  out: Float32Array,
  lse: Float32Array,
): Steps {
  const keysOf = (row: number, head: number) => keysOfRow(plans[head]!, row, qStart, kv.length);
  return attend(queries, kv, keysOf, out, lse);
}

/** Decode: row r, head h follows `plans[r * heads + h]`. */
export function attendKeys(
  queries: Queries,
  kv: Kv,
  plans: readonly KeyPlan[],
  out: Float32Array,
  lse: Float32Array,
): Steps {
  const keysOf = (row: number, head: number) => keysOfPlan(plans[row * queries.heads + head]!);
  return attend(queries, kv, keysOf, out, lse);
}

/** `probs[j] = exp(scale q . k[j] - lse)` for the keys of the plan, zero elsewhere; probs `[kvLength]`. */
export function attentionRow(
  q: Float32Array,
  scale: number,
  kv: KvHead,
  plan: KeyPlan,
  probs: Float32Array,
): number {
  const keys = keysOfPlan(plan);
  const scores = scoresOf(q, 0, scale, kv, keys);
  const lse = logSumExp(scores);
  for (const [i, key] of keys.entries()) probs[key] = Math.exp(scores[i]! - lse);
  return lse;
}

/**
 * Merges partial attentions over disjoint keys, row by row:
 * `lse = log(exp(lseA) + exp(lseB)); out = exp(lseA - lse) outA + exp(lseB - lse) outB`.
 * out `[rows, dim]`, lse `[rows]`; the result may be written over a or b.
 */
export function merge(a: PartialArrays, b: PartialArrays, into: PartialArrays): void {
  const dim = into.out.length / into.lse.length;
  for (let row = 0; row < into.lse.length; row++) {
    const lse = logSumExp([a.lse[row]!, b.lse[row]!]);
    const weightA = lse === -Infinity ? 0 : Math.exp(a.lse[row]! - lse);
    const weightB = lse === -Infinity ? 0 : Math.exp(b.lse[row]! - lse);
    for (let i = row * dim; i < (row + 1) * dim; i++) {
      into.out[i] = weightA * a.out[i]! + weightB * b.out[i]!;
    }
    into.lse[row] = lse;
  }
}
