/**
 * Operations over the keys of a cache that indexes are made of. All arrays are memory of JavaScript, which the calls read and
 * write. The CPU computes them: of pages of a device it reads copies in memory of the host, which are made when they are first read,
 * and again after the page was written.
 *
 * An index covers keys `start .. start+nodes-1` of a KV head; node `i` is key `start + i`.
 *
 * Each call validates its arguments: wrong shapes are a `ShapeError`, values out of range a `RangeError`, and so are keys that are
 * not finite where an index is built.
 */
import type { Awaitable, KvView, RunControl } from "./backend.ts";

/** Keys of a flat4 record. */
export const FLAT4_KEYS = 256;
/** Behind the last neighbour of a node. */
export const NO_NODE = 0xFFFFFFFF;

/** Keys of all KV heads that an index covers. */
export interface IndexedKeys {
  /** Keys and values of the layer. */
  readonly kv: KvView;
  /** First key. */
  readonly start: number;
  /** Keys of each KV head; `start + nodes` is at most the cache's length. */
  readonly nodes: number;
}

/** Queries that ask together. */
export interface AskingRows {
  /** `[rows, dim]`, after RoPE. */
  readonly q: Float32Array<ArrayBuffer>;
  /** KV head of each row. */
  readonly kvHeadOf: Int32Array<ArrayBuffer>;
}

/** The keys that were found for each row, falling scores; -1 and -Infinity where there are no more. */
export interface FoundKeys {
  /** `[rows, k]` */
  readonly keys: Int32Array<ArrayBuffer>;
  /** `q . k`, without a scale, `[rows, k]`. */
  readonly scores: Float32Array<ArrayBuffer>;
  /** Keys whose `q . k` was computed to find them, `[rows]`. */
  readonly scanned: Int32Array<ArrayBuffer>;
}

/** Keys of rows, one row after the other. */
export interface ListedKeys {
  /** First of each row, and the end: `[rows + 1]`. */
  readonly ptr: Int32Array<ArrayBuffer>;
  /** Key numbers. */
  readonly keys: Int32Array<ArrayBuffer>;
}

/** Lists of keys that are near to sampled queries. */
export interface NearestLists {
  /** `[count, length]`, -1 behind the last. */
  readonly keys: Int32Array<ArrayBuffer>;
  /** Keys of a list. */
  readonly length: number;
}

/** Graphs over the nodes of KV heads (or query heads), one after the other. */
export interface Graphs {
  /** Node numbers, {@link NO_NODE} behind the last: `[graphs, capacity, degree]`. */
  readonly neighbours: Uint32Array<ArrayBuffer>;
  /** By whose link a node is reached from the entries, of an entry a node, too: `[graphs, capacity]`. */
  readonly parents: Uint32Array<ArrayBuffer>;
  /** Nodes at which searches begin: `[graphs, entryCount]`. */
  readonly entries: Int32Array<ArrayBuffer>;
  /** Nodes of a graph that there is room for. */
  readonly capacity: number;
  /** Most neighbours of a node. */
  readonly degree: number;
  /** Entries of a graph. */
  readonly entryCount: number;
}

/** How a graph is extended. */
export interface ExtendOptions {
  /** Which graph of `graphs`. */
  readonly graph: number;
  /** KV head whose keys it links. */
  readonly kvHead: number;
  /** Nodes that it has already. */
  readonly built: number;
  /** Links their keys among each other; may be empty. */
  readonly lists: NearestLists;
  /** Width of the search for each new node. */
  readonly width: number;
}

/** How graphs are searched. */
export interface GraphSearch {
  /** Graph of each row. */
  readonly graphOf: Int32Array<ArrayBuffer>;
  /** Nodes kept for each row, at least `k`. */
  readonly width: number;
  /** Keys to return. */
  readonly k: number;
}

/** Records of keys in 4 bits: `[kvHeads, recordBytes]`, see {@link flat4RecordBytes}. */
export interface Flat4Records {
  /** The records of all KV heads. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of a KV head. */
  readonly headBytes: number;
}

/** How keys in 4 bits are searched. */
export interface Flat4Search {
  /** Keys that are scored exactly, at least `k`. */
  readonly candidates: number;
  /** Keys to return. */
  readonly k: number;
  /** Multiplies scores in `lse`. */
  readonly scale: number;
  /** Whether `lse` is wanted. */
  readonly wantsLse: boolean;
}

/** Clusters of the keys of KV heads. */
export interface Clusters {
  /** Means of their keys, `[kvHeads, capacity, dim]`. */
  readonly centroids: Float32Array<ArrayBuffer>;
  /** Sums of their values, `[kvHeads, capacity, dim]`. */
  readonly valueSums: Float32Array<ArrayBuffer>;
  /** Keys of each, `[kvHeads, capacity]`. */
  readonly sizes: Int32Array<ArrayBuffer>;
  /** Cluster of each node, `[kvHeads, nodeCapacity]`. */
  readonly clusterOf: Int32Array<ArrayBuffer>;
  /** Clusters of each KV head. */
  readonly count: number;
  /** Clusters that there is room for. */
  readonly capacity: number;
  /** Nodes that there is room for. */
  readonly nodeCapacity: number;
}

/** The nodes of each cluster. */
export interface ClusterMembers {
  /** First of each cluster in `members`, and the end: `[kvHeads, capacity + 1]`. */
  readonly ptr: Int32Array<ArrayBuffer>;
  /** `[kvHeads, nodeCapacity]` */
  readonly members: Int32Array<ArrayBuffer>;
}

/** Which keys are clustered. */
export interface ClusterRange {
  /** KV head. */
  readonly kvHead: number;
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Passes over the keys. */
  readonly iterations: number;
}

/** Clusters of some keys, to be written: each array as long as it says. */
export interface ClusterPart {
  /** `[count, dim]` */
  readonly centroids: Float32Array<ArrayBuffer>;
  /** `[count, dim]` */
  readonly valueSums: Float32Array<ArrayBuffer>;
  /** `[count]` */
  readonly sizes: Int32Array<ArrayBuffer>;
  /** Cluster of each key, counted within the part: `[end - start]`. */
  readonly clusterOf: Int32Array<ArrayBuffer>;
}

/** Attention of rows over keys, in memory of JavaScript. */
export interface HostAttention {
  /** `[rows, dim]` */
  readonly out: Float32Array<ArrayBuffer>;
  /** `[rows]` */
  readonly lse: Float32Array<ArrayBuffer>;
}

/** The operations. */
export interface IndexOperations {
  /** The `k` keys of `start <= j < end` of one KV head with the largest `q . k` for each row of q `[rows, dim]`: blocked products. */
  nearestKeys(
    q: Float32Array<ArrayBuffer>,
    kvHead: number,
    kv: KvView,
    range: { readonly start: number; readonly end: number },
    k: number,
    control?: RunControl,
  ): Awaitable<Pick<FoundKeys, "keys" | "scores">>;
  /** `q . k` of the listed keys of each row, in their order. */
  scoreKeys(
    rows: AskingRows,
    kv: KvView,
    listed: ListedKeys,
    control?: RunControl,
  ): Awaitable<Float32Array<ArrayBuffer>>;
  /** Makes a graph (`built` 0), or extends it to `keys.nodes` nodes. Writes into `graphs`. */
  extendGraph(
    keys: IndexedKeys,
    graphs: Graphs,
    options: ExtendOptions,
    control?: RunControl,
  ): Awaitable<void>;
  /** Best-first search for the largest `q . k`; each row searches by itself. */
  searchGraph(
    rows: AskingRows,
    keys: IndexedKeys,
    graphs: Graphs,
    options: GraphSearch,
    control?: RunControl,
  ): Awaitable<FoundKeys>;
  /** Writes the records of nodes `first .. keys.nodes-1` of a KV head; `first` is a multiple of {@link FLAT4_KEYS}. */
  encodeFlat4(
    keys: IndexedKeys,
    kvHead: number,
    first: number,
    records: Flat4Records,
    control?: RunControl,
  ): Awaitable<void>;
  /** Scores all nodes in 4 bits, the best exactly. `lse` `[rows]` is null where it is not wanted. */
  searchFlat4(
    rows: AskingRows,
    keys: IndexedKeys,
    records: Flat4Records,
    options: Flat4Search,
    control?: RunControl,
  ): Awaitable<FoundKeys & { readonly lse: Float32Array<ArrayBuffer> | null }>;
  /** Spherical k-means of the centred keys of a range. Writes into `part`, which says how many clusters there are. */
  clusterKeys(
    kv: KvView,
    range: ClusterRange,
    part: ClusterPart,
    control?: RunControl,
  ): Awaitable<void>;
  /** Opens the clusters with the largest `q . centroid` until they hold `budget` keys, and scores those. */
  searchClusters(
    rows: AskingRows,
    keys: IndexedKeys,
    clusters: Clusters,
    members: ClusterMembers,
    options: { readonly budget: number; readonly k: number },
    control?: RunControl,
  ): Awaitable<FoundKeys>;
  /** Attention over all nodes but the listed keys, as if each key were its cluster's mean. */
  clusterTail(
    rows: AskingRows,
    keys: IndexedKeys,
    clusters: Clusters,
    listed: ListedKeys,
    scale: number,
    control?: RunControl,
  ): Awaitable<HostAttention>;
}

/** Bytes of one flat4 record of `dim` channels. */
export function flat4RecordBytes(dim: number): number {
  return FLAT4_KEYS * dim / 2 + 8 * dim;
}
