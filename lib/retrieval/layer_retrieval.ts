import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import type { HostAttention } from "../../ffi/index_operations.ts";
import { askingRows, listedKeys } from "./asking_rows.ts";
import { ClusterSet, clustersOf } from "./cluster_set.ts";
import type {
  IndexAnswer,
  IndexQuery,
  IndexSource,
  IndexStats,
  KvIndex,
  SavedIndex,
} from "./kv_index.ts";
import { buildIndex, loadIndex } from "./make_index.ts";
import type { RetrievalWish } from "./retrieval_wish.ts";
import { upTo } from "./up_to.ts";

/** A layer's index and the estimate of what it does not return, as data. */
export interface SavedRetrieval {
  /** The index. */
  readonly index: SavedIndex;
  /** Clusters of a KV head in the estimate, and its arrays; `null` without one. */
  readonly tail: { readonly count: number; readonly arrays: SavedIndex["arrays"] } | null;
}

/** The index of one layer, and clusters of the same keys where what it does not return is estimated. */
export class LayerRetrieval {
  readonly #backend: Backend;
  readonly #index: KvIndex;
  readonly #tail: ClusterSet | null;

  private constructor(backend: Backend, index: KvIndex, tail: ClusterSet | null) {
    this.#backend = backend;
    this.#index = index;
    this.#tail = tail;
  }

  /** Builds both over the keys of `source`. */
  static async build(
    backend: Backend,
    wish: RetrievalWish,
    source: IndexSource,
    control?: RunControl,
  ): Promise<LayerRetrieval> {
    const index = await buildIndex(backend, wish.index, source, control);
    const tail = wish.tail && new ClusterSet(backend, wish.tail);
    const retrieval = new LayerRetrieval(backend, index, tail);
    try {
      await tail?.extend(source.kv, source.start, source.end - source.start, control);
    } catch (error) {
      retrieval.close();
      throw error;
    }
    return retrieval;
  }

  /** What was saved. */
  static async load(
    backend: Backend,
    wish: RetrievalWish,
    saved: SavedRetrieval,
    source: Pick<IndexSource, "kv" | "heads">,
    control?: RunControl,
  ): Promise<LayerRetrieval> {
    const nodes = saved.index.end - saved.index.start;
    const known = saved.tail && {
      clusters: clustersOf(saved.tail.arrays, saved.tail.count, source.kv, nodes),
      nodes,
    };
    const tail = wish.tail && known && new ClusterSet(backend, wish.tail, known);
    const index = await loadIndex(backend, saved.index, source, control);
    return new LayerRetrieval(backend, index, tail);
  }

  /** First key that it covers. */
  get start(): number {
    return this.#index.start;
  }

  /** End of the keys that it covers. */
  get end(): number {
    return this.#index.end;
  }

  /** Clusters that the estimate scores for each query; 0 without one. */
  get tailClusters(): number {
    return this.#tail?.clusters.count ?? 0;
  }

  /** Asks the index. */
  async search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer> {
    return await this.#index.search(query, control);
  }

  /**
   * Attention of the asking heads over all keys but the listed ones, as if each were the mean of its cluster; `null` where nothing is
   * estimated. Keys from `query.end` on are left out, too.
   *
   * @param retrieved keys of each asking head
   */
  async tail(
    query: IndexQuery,
    retrieved: readonly ArrayLike<number>[],
    control?: RunControl,
  ): Promise<HostAttention | null> {
    if (!this.#tail) return null;
    const { kv, scale, end } = query;
    const later = Array.from({ length: Math.max(0, this.end - end) }, (_, i) => end + i);
    const leftOut = later.length === 0
      ? retrieved
      : retrieved.map((keys) => [...Array.from(keys), ...later]);
    const keys = { kv, start: this.start, nodes: this.end - this.start };
    return await this.#backend.indexes.clusterTail(
      askingRows(query),
      keys,
      this.#tail.clusters,
      listedKeys(leftOut),
      scale,
      control,
    );
  }

  /** Takes in the keys up to `end`. */
  async append(kv: KvView, end: number, control?: RunControl): Promise<void> {
    const view = upTo(kv, end);
    const mark = this.#tail?.mark;
    try {
      await this.#tail?.extend(view, this.start, end - this.start, control);
      await this.#index.append(view, end, control);
    } catch (error) {
      // Other tokens may come where these were: the tail must not hold keys that the index does not.
      if (mark) this.#tail?.rewind(mark);
      throw error;
    }
  }

  /** What the index took and takes, the clusters of the estimate included. */
  stats(): IndexStats {
    const stats = this.#index.stats();
    const arrays = Object.values(this.#tail?.arrays ?? {});
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, stats.bytes);
    return { ...stats, bytes };
  }

  /** One over the same keys that goes its own way. */
  fork(): LayerRetrieval {
    return new LayerRetrieval(this.#backend, this.#index.fork(), this.#tail?.fork() ?? null);
  }

  /** It as data. */
  save(): SavedRetrieval {
    const tail = this.#tail && { count: this.#tail.clusters.count, arrays: this.#tail.arrays };
    return { index: this.#index.save(), tail };
  }

  /** Frees what it holds. */
  close(): void {
    this.#index.close();
  }
}
