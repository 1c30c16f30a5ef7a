/** Clusters of random keys, and rows that ask for them. */
import fc from "fast-check";
import type { KvDType } from "../../ffi/backend.ts";
import type {
  AskingRows,
  ClusterMembers,
  ClusterPart,
  Clusters,
  IndexedKeys,
  ListedKeys,
} from "../../ffi/index_operations.ts";
import type { Random } from "../random.ts";
import type { Scope } from "./scope.ts";

/** Random numbers for keys, values, queries and centroids. */
export type Draw = (random: Random, count: number) => Float32Array<ArrayBuffer>;

/** Normal numbers. */
export const normals: Draw = (random, count) => Float32Array.from(random.normals(count));
/** Small integers: scores are exact in every order of summation, and many are equal. */
export const integers: Draw = (random, count) => Float32Array.from(random.integers(count, -2, 2));

/** Keys of each KV head that are clustered, and the rows that ask. */
export interface ClusterShape {
  /** First key. */
  readonly start: number;
  /** Clustered keys. */
  readonly nodes: number;
  /** Clusters. */
  readonly count: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Rows of each KV head. */
  readonly group: number;
  /** Head dimension. */
  readonly dim: number;
  /** Type of the pages. */
  readonly dtype: KvDType;
}

/** Lengths about page edges, clusters about the edges of pieces, more clusters than keys, odd dimensions. */
export const clusterShapes: fc.Arbitrary<ClusterShape> = fc.record({
  start: fc.constantFrom(0, 1, 128, 255, 300),
  nodes: fc.oneof(fc.constantFrom(1, 2, 47, 48, 49, 256, 513), fc.integer({ min: 1, max: 600 })),
  count: fc.oneof(
    fc.constantFrom(1, 2, 15, 16, 17, 256, 257, 600),
    fc.integer({ min: 1, max: 60 }),
  ),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 6 }),
  dim: fc.constantFrom(1, 20, 32, 64, 80),
  dtype: fc.constantFrom<KvDType>("f32", "bf16", "int8"),
});

/** A cache with a few keys behind the clustered ones. */
export async function clusteredKeys(
  scope: Scope,
  random: Random,
  { start, nodes, kvHeads, dim, dtype }: Omit<ClusterShape, "count" | "group">,
  draw: Draw,
): Promise<IndexedKeys> {
  const length = start + nodes + 3;
  const rows = () => draw(random, length * kvHeads * dim);
  const kv = await scope.kv({ k: rows(), v: rows(), length, kvHeads, dim }, dtype);
  return { kv, start, nodes };
}

/** Groups of keys about directions of their own; the first key of each is a first centre. */
export async function apartKeys(
  scope: Scope,
  random: Random,
  { start, kvHeads, dim, dtype }: Pick<ClusterShape, "start" | "kvHeads" | "dim" | "dtype">,
): Promise<{ keys: IndexedKeys; count: number; truth: number[] }> {
  const [count, each] = [random.integer(2, dim), random.integer(1, 20)];
  const [nodes, length] = [count * each, start + count * each];
  const k = Float32Array.from({ length: length * kvHeads * dim }, (_, i) => {
    const token = Math.floor(i / (kvHeads * dim)) - start;
    return (Math.floor(token / each) === i % dim ? 8 : 0) + 0.1 * random.normal();
  });
  const kv = await scope.kv({ k, v: random.normals(k.length), length, kvHeads, dim }, dtype);
  const truth = Array.from({ length: kvHeads * nodes }, (_, i) => Math.floor((i % nodes) / each));
  return { keys: { kv, start, nodes }, count, truth };
}

/** `group` rows of each KV head. */
export function askingRows(
  random: Random,
  { kvHeads, group, dim }: Pick<ClusterShape, "kvHeads" | "group" | "dim">,
  draw: Draw,
): AskingRows {
  const kvHeadOf = Int32Array.from({ length: kvHeads * group }, (_, r) => Math.floor(r / group));
  return { q: draw(random, kvHeads * group * dim), kvHeadOf };
}

/** Clustered keys, and rows that ask for them. */
export interface ClusterCase {
  /** The keys. */
  readonly keys: IndexedKeys;
  /** Their clusters. */
  readonly clusters: Clusters;
  /** The rows. */
  readonly rows: AskingRows;
}

/** Random ones; clusters are by chance where nothing else makes them. */
export async function chanceCase(
  scope: Scope,
  random: Random,
  shape: ClusterShape,
  draw: Draw,
  clustersOf: (keys: IndexedKeys) => Clusters = (keys) =>
    chanceClusters(scope, random, keys, shape.count),
): Promise<ClusterCase> {
  const keys = await clusteredKeys(scope, random, shape, draw);
  return { keys, clusters: clustersOf(keys), rows: askingRows(random, shape, draw) };
}

/** Clusters that nodes joined by chance, some of them empty, with their means and sums. */
function chanceClusters(
  { backend }: Scope,
  random: Random,
  keys: IndexedKeys,
  count: number,
): Clusters {
  const clusters = chanceSizes(random, keys, count);
  const { kv: { table }, start, nodes } = keys;
  for (let kvHead = 0; kvHead < table.kvHeads; kvHead++) {
    const { centroids, valueSums, sizes, clusterOf } = partOf(clusters, kvHead, keys);
    const { k, v } = backend.readKv(table, kvHead, start, nodes);
    centroids.set(sumsOf(k, clusterOf, sizes, true));
    valueSums.set(sumsOf(v, clusterOf, sizes, false));
  }
  return clusters;
}

/** The same without means and sums, which are NaN. */
export function chanceSizes(random: Random, keys: IndexedKeys, count: number): Clusters {
  const clusters = emptyClusters(keys, count, { spareClusters: 5, spareNodes: 7 });
  for (let kvHead = 0; kvHead < keys.kv.table.kvHeads; kvHead++) {
    const { sizes, clusterOf } = partOf(clusters, kvHead, keys);
    clusterOf.set(Array.from(clusterOf, () => random.integer(0, count - 1)));
    for (const c of clusterOf) sizes[c]!++;
  }
  return clusters;
}

/** Clusters that `clusterKeys()` makes of all KV heads. */
export async function madeClusters(
  { backend }: Scope,
  keys: IndexedKeys,
  count: number,
  iterations: number,
): Promise<Clusters> {
  const clusters = emptyClusters(keys, count);
  const { kv, start, nodes } = keys;
  for (let kvHead = 0; kvHead < kv.table.kvHeads; kvHead++) {
    const range = { kvHead, start, end: start + nodes, iterations };
    await backend.indexes.clusterKeys(kv, range, partOf(clusters, kvHead, keys));
  }
  return clusters;
}

/** The clusters of one KV head. */
export function partOf(
  clusters: Clusters,
  kvHead: number,
  { nodes, kv }: IndexedKeys,
): ClusterPart {
  const { centroids, valueSums, sizes, clusterOf, count, capacity, nodeCapacity } = clusters;
  const { dim } = kv.table.spec;
  const first = kvHead * capacity;
  const firstNode = kvHead * nodeCapacity;
  return {
    centroids: centroids.subarray(first * dim, (first + count) * dim),
    valueSums: valueSums.subarray(first * dim, (first + count) * dim),
    sizes: sizes.subarray(first, first + count),
    clusterOf: clusterOf.subarray(firstNode, firstNode + nodes),
  };
}

/** The nodes of each cluster, rising. */
export function membersOf(clusters: Clusters, keys: IndexedKeys): ClusterMembers {
  const { capacity, nodeCapacity, count } = clusters;
  const { kvHeads } = keys.kv.table;
  const ptr = new Int32Array(kvHeads * (capacity + 1));
  const members = new Int32Array(kvHeads * nodeCapacity);
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    const { clusterOf } = partOf(clusters, kvHead, keys);
    let end = 0;
    for (let c = 0; c < count; c++) {
      for (const [node, cluster] of clusterOf.entries()) {
        if (cluster === c) members[kvHead * nodeCapacity + end++] = node;
      }
      ptr[kvHead * (capacity + 1) + c + 1] = end;
    }
  }
  return { ptr, members };
}

/** Keys of each row: some clusters wholly, and other keys one by one. */
export function chanceListed(
  random: Random,
  keys: IndexedKeys,
  clusters: Clusters,
  { kvHeadOf }: AskingRows,
): ListedKeys {
  return listedKeys(Array.from(kvHeadOf, (kvHead) => {
    const { clusterOf } = partOf(clusters, kvHead, keys);
    const whole = new Set(random.subset(random.integer(0, 3), 0, clusters.count - 1));
    const share = random.pick([0, 0.3]);
    const nodes = Array.from({ length: keys.nodes }, (_, node) => node);
    const listed = nodes.filter((node) => whole.has(clusterOf[node]!) || random.chance(share));
    return listed.map((node) => keys.start + node);
  }));
}

/** Lists of keys, one for each row. */
export function listedKeys(lists: readonly (readonly number[])[]): ListedKeys {
  const ptr = new Int32Array(lists.length + 1);
  for (const [r, list] of lists.entries()) ptr[r + 1] = ptr[r]! + list.length;
  return { ptr, keys: Int32Array.from(lists.flat()) };
}

function emptyClusters(
  { kv: { table: { kvHeads, spec: { dim } } }, nodes }: IndexedKeys,
  count: number,
  { spareClusters = 0, spareNodes = 0 } = {},
): Clusters {
  const [capacity, nodeCapacity] = [count + spareClusters, nodes + spareNodes];
  return {
    centroids: new Float32Array(kvHeads * capacity * dim).fill(NaN),
    valueSums: new Float32Array(kvHeads * capacity * dim).fill(NaN),
    sizes: new Int32Array(kvHeads * capacity),
    clusterOf: new Int32Array(kvHeads * nodeCapacity).fill(-1),
    count,
    capacity,
    nodeCapacity,
  };
}

/** Sums of the rows of each cluster, or their means; zeros where it has none. */
export function sumsOf(
  rows: Float32Array,
  clusterOf: Int32Array,
  sizes: Int32Array,
  mean: boolean,
): Float64Array {
  const dim = rows.length / clusterOf.length;
  const sums = new Float64Array(sizes.length * dim);
  for (const [i, x] of rows.entries()) {
    const c = clusterOf[Math.floor(i / dim)]!;
    sums[c * dim + i % dim]! += mean ? x / sizes[c]! : x;
  }
  return sums;
}
