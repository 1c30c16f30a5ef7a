/** Clusters of keys: spherical k-means, the search that opens clusters, and attention as if keys were their means. */
import { dot, type Floats } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { Steps } from "./steps.ts";

/** What is made of the keys of a range; see `ClusterPart` of the operations. */
export interface ClusterArrays {
  /** Means of the keys, `[count, dim]`. */
  readonly centroids: Float32Array;
  /** Sums of the values, `[count, dim]`. */
  readonly valueSums: Float32Array;
  /** Keys of each cluster, `[count]`. */
  readonly sizes: Int32Array;
  /** Cluster of each key. */
  readonly clusterOf: Int32Array;
}

/** A query of one row. */
export interface Asking {
  /** `[dim]` */
  readonly q: Float32Array;
  /** Keys and values of its KV head. */
  readonly kv: KvHead;
  /** Key of node 0. */
  readonly start: number;
}

/** Spherical k-means of keys `start .. end-1`, their mean subtracted; yields after each pass. */
export function* clusterKeys(
  kv: KvHead,
  { start, end, iterations }: {
    readonly start: number;
    readonly end: number;
    readonly iterations: number;
  },
  part: ClusterArrays,
): Steps {
  const keys = centred(rowsOf(kv, "k", start, end), kv.dim);
  const count = part.sizes.length;
  const nodes = end - start;
  const centres = Array.from(
    { length: count },
    (_, c) => direction(keys[Math.floor(c * nodes / count)] ?? new Float64Array(kv.dim)),
  );
  for (let pass = 0; pass < iterations; pass++) {
    const sums = sumsOf(keys, keys.map((key) => nearest(key, centres)), count, kv.dim);
    for (const [c, sum] of sums.entries()) {
      if (sum.some((x) => x !== 0)) centres[c] = direction(sum);
    }
    yield;
  }
  part.clusterOf.set(keys.map((key) => nearest(key, centres)));
  describe(kv, start, part);
  yield;
}

/** What a search of clusters found: the best `k` in falling order, and how many keys and centroids were scored. */
export interface OpenedKeys {
  /** Key numbers. */
  readonly keys: readonly number[];
  /** `q . k` of each. */
  readonly scores: readonly number[];
  /** Keys and centroids scored. */
  readonly scanned: number;
}

/** Opens the clusters with the largest `q . centroid` until they hold `budget` keys; the best `k` of these. */
export function searchClusters(
  { q, kv, start }: Asking,
  { centroids, sizes }: Pick<ClusterArrays, "centroids" | "sizes">,
  membersOf: (cluster: number) => Int32Array,
  { budget, k }: { readonly budget: number; readonly k: number },
): OpenedKeys {
  const rank = ranked(Array.from(sizes, (_, c) => dot(q, 0, centroids, c * kv.dim, kv.dim)));
  const opened: number[] = [];
  for (const c of rank) {
    if (opened.length >= budget) break;
    for (const node of membersOf(c)) opened.push(start + node);
  }
  opened.sort((a, b) => a - b);
  const scores = opened.map((key) => dot(q, 0, pageOf(kv, key).k, slotOf(kv, key), kv.dim));
  const best = ranked(scores).slice(0, k);
  return {
    keys: best.map((i) => opened[i]!),
    scores: best.map((i) => scores[i]!),
    scanned: sizes.length + opened.length,
  };
}

/**
 * Attention of one row over the clusters' keys but the listed ones, each as if it were its cluster's mean: writes `out`
 * `[dim]` and returns the logarithm of the sum of weights.
 */
export function clusterTail(
  { q, kv, start }: Asking,
  scale: number,
  { centroids, valueSums, sizes, clusterOf }: ClusterArrays,
  listed: Int32Array,
  out: Float32Array,
): number {
  const { dim } = kv;
  const left = Int32Array.from(sizes);
  const sums = Float64Array.from(valueSums);
  for (const key of listed) {
    const c = clusterOf[key - start]!;
    left[c]!--;
    const slot = slotOf(kv, key);
    for (let i = 0; i < dim; i++) sums[c * dim + i]! -= pageOf(kv, key).v[slot + i]!;
  }
  const scores = Array.from(left, (_, c) => scale * dot(q, 0, centroids, c * dim, dim));
  const lse = logSumExp(
    scores.map((score, c) => left[c] === 0 ? -Infinity : score + Math.log(left[c]!)),
  );
  const total = new Float64Array(dim);
  for (const [c, score] of scores.entries()) {
    if (left[c] === 0) continue;
    const weight = Math.exp(score - lse);
    for (let i = 0; i < dim; i++) total[i]! += weight * sums[c * dim + i]!;
  }
  out.set(total);
  return lse;
}

/** Sizes, means and sums of values of the clusters that keys have joined. */
function describe(
  kv: KvHead,
  start: number,
  { centroids, valueSums, sizes, clusterOf }: ClusterArrays,
): void {
  const end = start + clusterOf.length;
  sizes.fill(0);
  for (const c of clusterOf) sizes[c]!++;
  for (const [part, target] of [["k", centroids], ["v", valueSums]] as const) {
    const sums = sumsOf(rowsOf(kv, part, start, end), [...clusterOf], sizes.length, kv.dim);
    for (const [c, sum] of sums.entries()) {
      const count = part === "k" ? Math.max(1, sizes[c]!) : 1;
      target.set(sum.map((x) => x / count), c * kv.dim);
    }
  }
}

function rowsOf(kv: KvHead, part: "k" | "v", start: number, end: number): Float64Array[] {
  return Array.from({ length: end - start }, (_, j) => {
    const slot = slotOf(kv, start + j);
    return Float64Array.from(pageOf(kv, start + j)[part].subarray(slot, slot + kv.dim));
  });
}

function centred(rows: readonly Float64Array[], dim: number): Float64Array[] {
  const [sum] = sumsOf(rows, rows.map(() => 0), 1, dim);
  return rows.map((row) => row.map((x, i) => x - sum![i]! / rows.length));
}

function sumsOf(
  rows: readonly Float64Array[],
  clusterOf: readonly number[],
  count: number,
  dim: number,
): Float64Array[] {
  const sums = Array.from({ length: count }, () => new Float64Array(dim));
  for (const [j, row] of rows.entries()) {
    const sum = sums[clusterOf[j]!]!;
    for (let i = 0; i < dim; i++) sum[i]! += row[i]!;
  }
  return sums;
}

/** `row / |row|`; zeros stay zeros. */
function direction(row: Float64Array): Float64Array {
  const length = Math.sqrt(dot(row, 0, row, 0, row.length));
  return length === 0 ? row : row.map((x) => x / length);
}

/** The centre with the largest product, of equal ones the lowest. */
function nearest(key: Floats, centres: readonly Float64Array[]): number {
  let best = 0;
  let largest = -Infinity;
  for (const [c, centre] of centres.entries()) {
    const product = dot(key, 0, centre, 0, centre.length);
    if (product > largest) [best, largest] = [c, product];
  }
  return best;
}

/** Places in falling order of scores, of equal ones the lower first. */
function ranked(scores: readonly number[]): number[] {
  return scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
}
