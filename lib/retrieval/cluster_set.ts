/** Clusters of the keys of a layer: segment after segment, so that keys can be appended. */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import type { ClusterMembers, Clusters } from "../../ffi/index_operations.ts";
import { checkPlaces, damaged, savedArray } from "./check_saved.ts";
import { regrown, roomFor } from "./growing.ts";
import type { IndexArray } from "./kv_index.ts";

/** Keys that are clustered together: RetroInfer's segments. */
const SEGMENT_KEYS = 8192;

/** How keys are clustered. */
export interface ClusterSettings {
  /** Keys of a cluster, on average. */
  readonly clusterKeys: number;
  /** Passes of k-means. */
  readonly iterations: number;
}

/** An end of a set of clusters. */
export interface ClusterMark {
  /** Keys of a KV head before it. */
  readonly nodes: number;
  /** Clusters of a KV head before it. */
  readonly count: number;
}

/** Clusters of all KV heads of a layer. */
export class ClusterSet {
  readonly #backend: Backend;
  readonly #settings: ClusterSettings;
  #clusters: Clusters;
  #nodes: number;
  #isShared = false;
  #members: ClusterMembers | null = null;

  /** No keys yet, or those of saved arrays. */
  constructor(
    backend: Backend,
    settings: ClusterSettings,
    known: { readonly clusters: Clusters; readonly nodes: number } = NOTHING,
  ) {
    this.#backend = backend;
    this.#settings = settings;
    this.#clusters = known.clusters;
    this.#nodes = known.nodes;
  }

  /** Keys of a KV head that are clustered. */
  get nodes(): number {
    return this.#nodes;
  }

  /** The clusters. */
  get clusters(): Clusters {
    return this.#clusters;
  }

  /** The nodes of each cluster. */
  get members(): ClusterMembers {
    return this.#members ??= membersOf(this.#clusters, this.#nodes);
  }

  /** Its arrays, as they are saved. */
  get arrays(): Readonly<Record<string, IndexArray>> {
    const { centroids, valueSums, sizes, clusterOf } = this.#clusters;
    return { centroids, valueSums, sizes, clusterOf };
  }

  /** Clusters the nodes from its end up to `nodes`, in segments of their own: all of them, or none. */
  async extend(kv: KvView, start: number, nodes: number, control?: RunControl): Promise<void> {
    const { mark } = this;
    try {
      await this.#addSegments(kv, start, nodes, control);
    } catch (error) {
      // Other keys may come where these were.
      this.rewind(mark);
      throw error;
    }
  }

  async #addSegments(
    kv: KvView,
    start: number,
    nodes: number,
    control: RunControl | undefined,
  ): Promise<void> {
    const { clusterKeys } = this.#settings;
    for (let from = this.#nodes; from < nodes;) {
      const to = Math.min(nodes, from + SEGMENT_KEYS);
      const count = Math.ceil((to - from) / clusterKeys);
      this.#makeRoom(kv, this.#clusters.count + count, to);
      for (let kvHead = 0; kvHead < kv.table.kvHeads; kvHead++) {
        await this.#clusterSegment(kv, kvHead, start, [from, to], count, control);
      }
      this.#clusters = { ...this.#clusters, count: this.#clusters.count + count };
      this.#nodes = from = to;
    }
    this.#members = null;
  }

  /** Where it ends: what {@link rewind} takes. */
  get mark(): ClusterMark {
    return { nodes: this.#nodes, count: this.#clusters.count };
  }

  /** Forgets the clusters behind an earlier end. */
  rewind({ nodes, count }: ClusterMark): void {
    this.#nodes = nodes;
    this.#clusters = { ...this.#clusters, count };
    this.#members = null;
  }

  /** A set with the same clusters that goes its own way. */
  fork(): ClusterSet {
    const known = { clusters: this.#clusters, nodes: this.#nodes };
    const fork = new ClusterSet(this.#backend, this.#settings, known);
    fork.#members = this.#members;
    this.#isShared = fork.#isShared = true;
    return fork;
  }

  async #clusterSegment(
    kv: KvView,
    kvHead: number,
    start: number,
    [from, to]: readonly [number, number],
    count: number,
    control: RunControl | undefined,
  ): Promise<void> {
    const { centroids, valueSums, sizes, clusterOf, capacity, nodeCapacity, count: before } =
      this.#clusters;
    const { dim } = kv.table.spec;
    const first = kvHead * capacity + before;
    const rows = (array: Float32Array<ArrayBuffer>) =>
      array.subarray(first * dim, (first + count) * dim);
    const nodes = clusterOf.subarray(kvHead * nodeCapacity + from, kvHead * nodeCapacity + to);
    const part = {
      centroids: rows(centroids),
      valueSums: rows(valueSums),
      sizes: sizes.subarray(first, first + count),
      clusterOf: nodes,
    };
    const range = { kvHead, start: start + from, end: start + to };
    const { iterations } = this.#settings;
    await this.#backend.indexes.clusterKeys(kv, { ...range, iterations }, part, control);
    for (let i = 0; i < nodes.length; i++) nodes[i]! += before;
  }

  #makeRoom({ table }: KvView, count: number, nodes: number): void {
    const { capacity, nodeCapacity } = this.#clusters;
    if (!this.#isShared && count <= capacity && nodes <= nodeCapacity) return;
    const { kvHeads, spec: { dim } } = table;
    const [room, nodeRoom] = [roomFor(count, 64), roomFor(nodes)];
    const { centroids, valueSums, sizes, clusterOf } = this.#clusters;
    this.#clusters = {
      count: this.#clusters.count,
      capacity: room,
      nodeCapacity: nodeRoom,
      centroids: regrown(centroids, kvHeads, room, dim),
      valueSums: regrown(valueSums, kvHeads, room, dim),
      sizes: regrown(sizes, kvHeads, room),
      clusterOf: regrown(clusterOf, kvHeads, nodeRoom),
    };
    this.#isShared = false;
  }
}

const NOTHING = {
  clusters: {
    centroids: new Float32Array(),
    valueSums: new Float32Array(),
    sizes: new Int32Array(),
    clusterOf: new Int32Array(),
    count: 0,
    capacity: 0,
    nodeCapacity: 0,
  },
  nodes: 0,
};

/** Saved arrays as clusters of the KV heads of `kv`, `nodes` keys each. */
export function clustersOf(
  arrays: Readonly<Record<string, IndexArray>>,
  count: number,
  { table: { kvHeads, spec: { dim } } }: KvView,
  nodes: number,
): Clusters {
  const whole = (length: number) => length % kvHeads === 0;
  const sizes = savedArray({ arrays }, "sizes", Int32Array<ArrayBuffer>, whole);
  const clusterOf = savedArray({ arrays }, "clusterOf", Int32Array<ArrayBuffer>, (length) => {
    return whole(length) && length >= kvHeads * nodes;
  });
  const rows = (length: number) => length === sizes.length * dim;
  const centroids = savedArray({ arrays }, "centroids", Float32Array<ArrayBuffer>, rows);
  const valueSums = savedArray({ arrays }, "valueSums", Float32Array<ArrayBuffer>, rows);
  const [capacity, nodeCapacity] = [sizes.length / kvHeads, clusterOf.length / kvHeads];
  const clusters = { centroids, valueSums, sizes, clusterOf, count, capacity, nodeCapacity };
  checkSizes(clusters, kvHeads, nodes);
  return clusters;
}

/** Requires that each cluster has as many nodes as it says. */
function checkSizes(clusters: Clusters, kvHeads: number, nodes: number): void {
  const { sizes, clusterOf, count, capacity, nodeCapacity } = clusters;
  if (!(count >= 0 && count <= capacity)) throw damaged(`clusters must be <= ${capacity}`, count);
  for (let g = 0; g < kvHeads; g++) {
    const own = clusterOf.subarray(g * nodeCapacity, g * nodeCapacity + nodes);
    checkPlaces("clusterOf", own, count);
    const counted = new Int32Array(count);
    for (const cluster of own) counted[cluster]!++;
    const wrong = counted.findIndex((size, c) => size !== sizes[g * capacity + c]);
    if (wrong >= 0) throw damaged(`sizes must be those of clusterOf`, `cluster ${wrong}`);
  }
}

/** Sorts nodes by cluster, counting. */
function membersOf({ sizes, clusterOf, count, capacity, nodeCapacity }: Clusters, nodes: number) {
  const kvHeads = capacity === 0 ? 0 : sizes.length / capacity;
  const ptr = new Int32Array(kvHeads * (capacity + 1));
  const members = new Int32Array(kvHeads * nodeCapacity);
  for (let g = 0; g < kvHeads; g++) {
    const first = g * (capacity + 1);
    for (let c = 0; c < capacity; c++) {
      ptr[first + c + 1] = ptr[first + c]! + (c < count ? sizes[g * capacity + c]! : 0);
    }
    const next = ptr.slice(first, first + capacity);
    for (let node = 0; node < nodes; node++) {
      const cluster = clusterOf[g * nodeCapacity + node]!;
      members[g * nodeCapacity + next[cluster]!++] = node;
    }
  }
  return { ptr, members };
}
