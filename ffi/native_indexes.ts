/** The operations of indexes over the native library of the CPU. */
import type { Awaitable, KvView, RunControl } from "./backend.ts";
import type {
  AskingRows,
  ClusterMembers,
  ClusterPart,
  ClusterRange,
  Clusters,
  ExtendOptions,
  Flat4Records,
  Flat4Search,
  FoundKeys,
  Graphs,
  GraphSearch,
  HostAttention,
  IndexedKeys,
  IndexOperations,
  ListedKeys,
} from "./index_operations.ts";
import type { NativeLibrary } from "./native_library.ts";
import { pagesOf } from "./native_pages.ts";
import { after, nativeControl } from "./native_run.ts";

/** Multiply-adds that a key costs which is read from anywhere in memory, beyond its own. */
const MISS_WORK = 500;

/** The operations over `library`. Arguments are not checked. */
export class NativeIndexes implements IndexOperations {
  readonly #library: NativeLibrary;

  /** Operations of a library that was started. */
  constructor(library: NativeLibrary) {
    this.#library = library;
  }

  nearestKeys(
    q: Float32Array<ArrayBuffer>,
    kvHead: number,
    kv: KvView,
    { start, end }: { readonly start: number; readonly end: number },
    k: number,
    control?: RunControl,
  ): Awaitable<Pick<FoundKeys, "keys" | "scores">> {
    const dim = dimOf(kv);
    const { keys, scores } = noKeys(q.length / dim, k);
    const running = this.#library.run("ll_nearest_keys", [
      ...[q, q.length / dim, kvHead, dim, ...pagesOf(kv), start, end, k, keys, scores] as const,
    ], { work: q.length * (end - start), control: nativeControl(control) });
    return after(running, () => ({ keys, scores }));
  }

  scoreKeys(
    { q, kvHeadOf }: AskingRows,
    kv: KvView,
    { ptr, keys }: ListedKeys,
    control?: RunControl,
  ): Awaitable<Float32Array<ArrayBuffer>> {
    const scores = new Float32Array(keys.length);
    const running = this.#library.run("ll_score_keys", [
      ...[q, kvHeadOf.length, kvHeadOf, dimOf(kv), ...pagesOf(kv), kv.length] as const,
      ...[ptr, keys, scores] as const,
    ], { work: keys.length * (dimOf(kv) + MISS_WORK), control: nativeControl(control) });
    return after(running, () => scores);
  }

  extendGraph(
    { kv, start, nodes }: IndexedKeys,
    { neighbours, parents, entries, capacity, degree, entryCount }: Graphs,
    { graph, kvHead, built, lists, width }: ExtendOptions,
    control?: RunControl,
  ): Awaitable<void> {
    const first = graph * capacity;
    return this.#library.run("ll_graph_extend", [
      ...[kvHead, dimOf(kv), ...pagesOf(kv), start, built, nodes] as const,
      ...[lists.keys, lists.keys.length / lists.length, lists.length, degree, width] as const,
      neighbours.subarray(first * degree, (first + nodes) * degree),
      parents.subarray(first, first + nodes),
      entries.subarray(graph * entryCount, (graph + 1) * entryCount),
      entryCount,
    ], { work: (nodes - built) * width * 1000, control: nativeControl(control) });
  }

  searchGraph(
    { q, kvHeadOf }: AskingRows,
    { kv, start, nodes }: IndexedKeys,
    { neighbours, entries, capacity, degree, entryCount }: Graphs,
    { graphOf, width, k }: GraphSearch,
    control?: RunControl,
  ): Awaitable<FoundKeys> {
    const rows = kvHeadOf.length;
    const found = noKeys(rows, k);
    const { keys, scores, scanned } = found;
    const running = this.#library.run("ll_graph_search", [
      ...[q, rows, kvHeadOf, graphOf, dimOf(kv), ...pagesOf(kv), start, nodes] as const,
      ...[neighbours, capacity, degree, entries, entryCount, width, k] as const,
      ...[keys, scores, scanned] as const,
    ], { work: rows * width * degree * (dimOf(kv) + MISS_WORK), control: nativeControl(control) });
    return after(running, () => found);
  }

  encodeFlat4(
    { kv, start, nodes }: IndexedKeys,
    kvHead: number,
    first: number,
    { bytes, headBytes }: Flat4Records,
    control?: RunControl,
  ): Awaitable<void> {
    const records = bytes.subarray(kvHead * headBytes, (kvHead + 1) * headBytes);
    return this.#library.run("ll_flat4_encode", [
      ...[kvHead, dimOf(kv), ...pagesOf(kv), start, first, nodes, records] as const,
    ], { work: 4 * (nodes - first) * dimOf(kv), control: nativeControl(control) });
  }

  searchFlat4(
    { q, kvHeadOf }: AskingRows,
    { kv, start, nodes }: IndexedKeys,
    { bytes, headBytes }: Flat4Records,
    { candidates, k, scale, wantsLse }: Flat4Search,
    control?: RunControl,
  ): Awaitable<FoundKeys & { readonly lse: Float32Array<ArrayBuffer> | null }> {
    const rows = kvHeadOf.length;
    const found = { ...noKeys(rows, k), lse: wantsLse ? new Float32Array(rows) : null };
    const { keys, scores, scanned, lse } = found;
    const running = this.#library.run("ll_flat4_search", [
      ...[q, rows, kvHeadOf, dimOf(kv), ...pagesOf(kv), start, nodes] as const,
      ...[bytes, BigInt(headBytes), candidates, k, scale, keys, scores, scanned, lse] as const,
    ], { work: rows * nodes * dimOf(kv) / 8, control: nativeControl(control) });
    return after(running, () => found);
  }

  clusterKeys(
    kv: KvView,
    { kvHead, start, end, iterations }: ClusterRange,
    { centroids, valueSums, sizes, clusterOf }: ClusterPart,
    control?: RunControl,
  ): Awaitable<void> {
    return this.#library.run("ll_cluster_keys", [
      ...[kvHead, dimOf(kv), ...pagesOf(kv), start, end, sizes.length, iterations] as const,
      ...[centroids, valueSums, sizes, clusterOf] as const,
    ], {
      work: iterations * (end - start) * sizes.length * dimOf(kv),
      control: nativeControl(control),
    });
  }

  searchClusters(
    { q, kvHeadOf }: AskingRows,
    { kv, start }: IndexedKeys,
    { centroids, sizes, capacity, count, nodeCapacity }: Clusters,
    { ptr, members }: ClusterMembers,
    { budget, k }: { readonly budget: number; readonly k: number },
    control?: RunControl,
  ): Awaitable<FoundKeys> {
    const rows = kvHeadOf.length;
    const found = noKeys(rows, k);
    const { keys, scores, scanned } = found;
    const running = this.#library.run("ll_cluster_search", [
      ...[q, rows, kvHeadOf, dimOf(kv), ...pagesOf(kv), start] as const,
      ...[centroids, sizes, capacity, count, ptr, members, nodeCapacity] as const,
      ...[budget, k, keys, scores, scanned] as const,
    ], { work: rows * (count * dimOf(kv) + budget * MISS_WORK), control: nativeControl(control) });
    return after(running, () => found);
  }

  clusterTail(
    { q, kvHeadOf }: AskingRows,
    { kv, start, nodes }: IndexedKeys,
    { centroids, valueSums, sizes, capacity, count, clusterOf, nodeCapacity }: Clusters,
    { ptr, keys }: ListedKeys,
    scale: number,
    control?: RunControl,
  ): Awaitable<HostAttention> {
    const rows = kvHeadOf.length;
    const tail = { out: new Float32Array(rows * dimOf(kv)), lse: new Float32Array(rows) };
    const running = this.#library.run("ll_cluster_tail", [
      ...[q, rows, kvHeadOf, scale, dimOf(kv), ...pagesOf(kv), start, nodes] as const,
      ...[centroids, valueSums, sizes, capacity, count, clusterOf, nodeCapacity] as const,
      ...[ptr, keys, tail.out, tail.lse] as const,
    ], { work: 2 * rows * (count + keys.length) * dimOf(kv), control: nativeControl(control) });
    return after(running, () => tail);
  }
}

function noKeys(rows: number, k: number): FoundKeys {
  return {
    keys: new Int32Array(rows * k),
    scores: new Float32Array(rows * k),
    scanned: new Int32Array(rows),
  };
}

function dimOf({ table }: KvView): number {
  return table.spec.dim;
}
