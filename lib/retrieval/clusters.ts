/** The index of clusters: those with the centroids nearest to a query are opened (RetroInfer, Chen et al. 2025, arXiv 2505.02922). */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import { askedKeys, askingRows, keysToFind, topKeysOf } from "./asking_rows.ts";
import { ClusterSet, clustersOf } from "./cluster_set.ts";
import { emptyPlace, GrowingIndex, type IndexPlace, savedPlace } from "./growing_index.ts";
import type { Filled } from "./index_options.ts";
import type { IndexAnswer, IndexQuery, IndexSource, KvIndex, SavedIndex } from "./kv_index.ts";

/** Builds the index. */
export function buildClusters(
  backend: Backend,
  options: Filled<"clusters">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const set = new ClusterSet(backend, options);
  const index = new ClusterIndex(backend, options, emptyPlace(source), set);
  return index.build(source.kv, source.end, control);
}

/** The index that was saved. */
export function loadClusters(
  backend: Backend,
  options: Filled<"clusters">,
  saved: SavedIndex,
  kv: KvView,
): KvIndex {
  const { start, end, counts: { count = 0 }, arrays } = saved;
  const nodes = end - start;
  const known = { clusters: clustersOf(arrays, count, kv, nodes), nodes };
  const set = new ClusterSet(backend, options, known);
  return new ClusterIndex(backend, options, savedPlace(saved), set);
}

function nothingOf({ heads }: IndexQuery): IndexAnswer {
  const nothing = { indices: new Int32Array(), scores: new Float32Array() };
  return { found: heads.map(() => nothing), scanned: new Int32Array(heads.length), mass: null };
}

class ClusterIndex extends GrowingIndex<Filled<"clusters">> {
  readonly #backend: Backend;
  #set: ClusterSet;

  constructor(backend: Backend, options: Filled<"clusters">, place: IndexPlace, set: ClusterSet) {
    super(options, place);
    this.#backend = backend;
    this.#set = set;
  }

  protected get arrays() {
    return this.#set.arrays;
  }

  protected override get counts() {
    return { count: this.#set.clusters.count };
  }

  async search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer> {
    const { kv } = query;
    const { start, nodes, options } = this;
    const k = keysToFind(query, this.end);
    if (nodes === 0) return nothingOf(query);
    const { clusters, members } = this.#set;
    const how = { budget: Math.max(k, Math.ceil(options.share * nodes)), k };
    const found = await this.#backend.indexes
      .searchClusters(askingRows(query), { kv, start, nodes }, clusters, members, how, control);
    return { found: askedKeys(query, topKeysOf(found)), scanned: found.scanned, mass: null };
  }

  protected extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    return this.#set.extend(kv, this.start, end - this.start, control);
  }

  protected copy(place: IndexPlace): ClusterIndex {
    return new ClusterIndex(this.#backend, this.options, place, this.#set.fork());
  }

  close(): void {
    this.#set = new ClusterSet(this.#backend, this.options);
  }
}
