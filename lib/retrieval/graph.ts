/**
 * The attention-aware graph: RetrievalAttention's index (Liu et al. 2024, arXiv 2409.10516) by RoarGraph's projection (Chen et al.
 * 2024). Keys that sampled queries find together are linked; distances between keys are L2, only queries rank by inner product.
 */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import { type FoundKeys, type NearestLists, NO_NODE } from "../../ffi/index_operations.ts";
import { askingRows, topKeysOf } from "./asking_rows.ts";
import { checkPlaces, savedArray } from "./check_saved.ts";
import { regrown, roomFor } from "./growing.ts";
import { emptyPlace, GrowingIndex, type IndexPlace, savedPlace } from "./growing_index.ts";
import type { Filled } from "./index_options.ts";
import type {
  IndexAnswer,
  IndexQuery,
  IndexSource,
  KvIndex,
  SampledQueries,
  SavedIndex,
} from "./kv_index.ts";

/** Nodes at which searches of a graph begin. */
const ENTRIES = 4;
/** Queries whose nearest keys are found in one call. */
const QUERIES_AT_ONCE = 4096;

/** Keys `start .. end-1`. */
interface KeyRange {
  readonly start: number;
  readonly end: number;
}

interface GraphArrays {
  readonly neighbours: Uint32Array<ArrayBuffer>;
  readonly parents: Uint32Array<ArrayBuffer>;
  readonly entries: Int32Array<ArrayBuffer>;
  /** Of the keys that it was built over, `[graphs, dim]`. */
  readonly means: Float32Array<ArrayBuffer>;
}

/**
 * Builds a graph for each KV head, or for each query head.
 *
 * @throws {RangeError} when no queries were sampled and its options ask for them
 */
export async function buildGraph(
  backend: Backend,
  options: Filled<"graph">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const { kv, start, end, heads, queries } = source;
  if (queries.count === 0 && options.queryShare > 0 && end > start) {
    throw new RangeError(
      `Cannot build a graph as the prefill must have kept queries or queryShare be 0: current value is ` +
        `${options.queryShare} and no queries`,
    );
  }
  const graphs = options.perQueryHead ? heads : kv.table.kvHeads;
  const means = new Float32Array(graphs * kv.table.spec.dim);
  const arrays = { ...noArrays(), entries: new Int32Array(graphs * ENTRIES), means };
  const index = new GraphIndex(backend, options, emptyPlace(source), heads, arrays);
  index.queries = queries;
  await index.build(kv, end, control);
  index.queries = null; // keys that are appended were asked for by none of them
  return index;
}

/** The index that was saved. */
export function loadGraph(
  backend: Backend,
  options: Filled<"graph">,
  saved: SavedIndex,
  { kv, heads }: Pick<IndexSource, "kv" | "heads">,
): KvIndex {
  const nodes = saved.end - saved.start;
  const graphs = options.perQueryHead ? heads : kv.table.kvHeads;
  const entries = savedArray(saved, "entries", Int32Array<ArrayBuffer>, (length) => {
    return length === graphs * ENTRIES;
  });
  const neighbours = savedArray(saved, "neighbours", Uint32Array<ArrayBuffer>, (length) => {
    return length % (graphs * options.degree) === 0 && length >= graphs * options.degree * nodes;
  });
  const capacity = neighbours.length / options.degree;
  const parents = savedArray(saved, "parents", Uint32Array<ArrayBuffer>, (length) => {
    return length === capacity;
  });
  const means = savedArray(saved, "means", Float32Array<ArrayBuffer>, (length) => {
    return length === graphs * kv.table.spec.dim;
  });
  checkPlaces("entries", entries, Math.max(1, nodes), -1); // fewer nodes than entries: the others are none
  const arrays = { neighbours, parents, entries, means };
  return new GraphIndex(backend, options, savedPlace(saved), heads, arrays);
}

class GraphIndex extends GrowingIndex<Filled<"graph">> {
  /** Queries that link keys while it is built. */
  queries: SampledQueries | null = null;
  readonly #backend: Backend;
  readonly #heads: number;
  #arrays: GraphArrays;

  constructor(
    backend: Backend,
    options: Filled<"graph">,
    place: IndexPlace,
    heads: number,
    arrays: GraphArrays,
  ) {
    super(options, place);
    this.#backend = backend;
    this.#heads = heads;
    this.#arrays = arrays;
  }

  protected get arrays() {
    return { ...this.#arrays };
  }

  async search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer> {
    const { kv, topK: k, heads } = query;
    const { start, options } = this;
    const nodes = this.nodesBefore(query.end);
    const rows = askingRows(query);
    const graphOf = options.perQueryHead ? Int32Array.from(heads) : rows.kvHeadOf;
    const how = { graphOf, width: Math.max(options.width, k), k };
    const graphs = { ...this.#graphs(), entries: this.#entriesBefore(nodes) };
    const found = await this.#backend.indexes
      .searchGraph(rows, { kv, start, nodes }, graphs, how, control);
    return { found: topKeysOf(found), scanned: found.scanned, mass: null };
  }

  protected async extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    this.#makeRoom(end - this.start);
    try {
      await this.#extendGraphs(kv, end, control);
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  async #extendGraphs(kv: KvView, end: number, control: RunControl | undefined): Promise<void> {
    const nodes = end - this.start;
    const group = this.#count / kv.table.kvHeads;
    for (let graph = 0; graph < this.#count; graph++) {
      const kvHead = Math.floor(graph / group);
      const lists = await this.#lists(graph, kvHead, kv, end, control);
      const how = { graph, kvHead, built: this.nodes, lists, width: this.options.buildWidth };
      const keys = { kv, start: this.start, nodes };
      await this.#backend.indexes.extendGraph(keys, this.#graphs(), how, control);
    }
  }

  protected copy(place: IndexPlace): GraphIndex {
    return new GraphIndex(this.#backend, this.options, place, this.#heads, this.#arrays);
  }

  close(): void {
    this.#arrays = noArrays();
  }

  get #count(): number {
    return this.#arrays.entries.length / ENTRIES;
  }

  #graphs() {
    const { degree } = this.options;
    const capacity = this.#arrays.parents.length / this.#count;
    return { ...this.#arrays, capacity, degree, entryCount: ENTRIES };
  }

  /** Its entries; nodes from all over the first `nodes` for a graph that has no entry there. */
  #entriesBefore(nodes: number): Int32Array<ArrayBuffer> {
    const { entries } = this.#arrays;
    if (nodes === this.nodes) return entries;
    return entries.map((entry, e) => {
      const own = entries.subarray(e - e % ENTRIES, e - e % ENTRIES + ENTRIES);
      if (own.some((node) => node >= 0 && node < nodes)) return entry;
      return Math.floor((e % ENTRIES + 0.5) * nodes / ENTRIES);
    });
  }

  #makeRoom(nodes: number): void {
    const { neighbours, parents, entries, means } = this.#arrays;
    const { degree } = this.options;
    if (!this.isShared && parents.length >= this.#count * nodes) return;
    const room = roomFor(nodes);
    this.#arrays = {
      neighbours: regrown(neighbours, this.#count, room, degree),
      parents: regrown(parents, this.#count, room, 1),
      entries: entries.slice(),
      means: means.slice(),
    };
    this.isShared = false;
  }

  /** Takes what leads to keys that were not taken in out of the arrays. */
  #forget(): void {
    const { neighbours, parents, entries, capacity, degree } = this.#graphs();
    const { nodes } = this;
    for (let graph = 0; graph < this.#count; graph++) {
      const first = graph * capacity;
      for (let x = first; x < first + nodes; x++) {
        const links = neighbours.subarray(x * degree, (x + 1) * degree);
        const known = links.filter((node) => node < nodes);
        if (known.length < degree) links.fill(NO_NODE).set(known);
        if (parents[x]! >= nodes) parents[x] = 0; // of so few nodes that all is made anew
      }
    }
    entries.forEach((node, e) => entries[e] = node < nodes ? node : -1);
  }

  /** Keys near to what links the keys from `this.end` on: sampled queries when it is built, and these keys as queries. */
  async #lists(
    graph: number,
    kvHead: number,
    kv: KvView,
    end: number,
    control: RunControl | undefined,
  ): Promise<NearestLists> {
    const fresh = { start: this.end, end };
    const length = Math.min(this.options.listLength, end - this.start);
    const keys: Int32Array[] = [];
    for (const q of this.#linking(graph, kvHead, kv, fresh)) {
      const found = await this.#backend.indexes.nearestKeys(q, kvHead, kv, fresh, length, control);
      const near = this.nodes > 0 && await this.#near(q, graph, kvHead, kv, length, control);
      keys.push(near ? bestOf(found, near, length) : found.keys);
    }
    return { keys: joined(keys), length };
  }

  /** What a search of the keys that are linked already finds. */
  async #near(
    q: Float32Array<ArrayBuffer>,
    graph: number,
    kvHead: number,
    kv: KvView,
    k: number,
    control: RunControl | undefined,
  ): Promise<BestKeys> {
    const rows = q.length / kv.table.spec.dim;
    const asking = { q, kvHeadOf: new Int32Array(rows).fill(kvHead) };
    const graphOf = new Int32Array(rows).fill(graph);
    const how = { graphOf, width: Math.max(this.options.buildWidth, k), k };
    const keys = { kv, start: this.start, nodes: this.nodes };
    return await this.#backend.indexes.searchGraph(asking, keys, this.#graphs(), how, control);
  }

  /** Queries that link keys: sampled ones, then keys as if they were queries; some at a time. */
  *#linking(
    graph: number,
    kvHead: number,
    kv: KvView,
    range: KeyRange,
  ): Generator<Float32Array<ArrayBuffer>> {
    const { queryShare, keyShare, perQueryHead } = this.options;
    const { dim } = kv.table.spec;
    const group = this.#heads / kv.table.kvHeads;
    const heads = perQueryHead
      ? [graph]
      : Array.from({ length: group }, (_, i) => kvHead * group + i);
    const wanted = Math.round(queryShare * (range.end - range.start));
    if (this.queries) yield* queriesOf(this.queries, heads, wanted, dim);
    if (keyShare === 0) return;
    const { k } = this.#backend.readKv(kv.table, kvHead, range.start, range.end - range.start);
    const mean = this.#arrays.means.subarray(graph * dim, (graph + 1) * dim);
    if (this.nodes === 0) mean.set(meanOf(k, dim));
    yield* keyQueries(k, mean, keyShare);
  }
}

/** Keys that were found for some rows, the best first. */
type BestKeys = Pick<FoundKeys, "keys" | "scores">;

/** The best `k` keys of each row of two lists of `k`. */
function bestOf(a: BestKeys, b: BestKeys, k: number): Int32Array {
  const best = new Int32Array(a.keys.length);
  for (let row = 0; row < best.length; row += k) {
    let [x, y] = [row, row];
    for (let i = 0; i < k; i++) {
      best[row + i] = a.scores[x]! >= b.scores[y]! ? a.keys[x++]! : b.keys[y++]!;
    }
  }
  return best;
}

function noArrays(): GraphArrays {
  return {
    neighbours: new Uint32Array(),
    parents: new Uint32Array(),
    entries: new Int32Array(),
    means: new Float32Array(),
  };
}

/** About `wanted` queries of some heads, evenly from all that there are, some at a time. */
function* queriesOf(
  queries: SampledQueries,
  heads: readonly number[],
  wanted: number,
  dim: number,
): Generator<Float32Array<ArrayBuffer>> {
  const each = Math.min(queries.count, Math.ceil(wanted / heads.length));
  for (const head of heads) {
    const all = queries.head(head);
    for (let first = 0; first < each; first += QUERIES_AT_ONCE) {
      const count = Math.min(QUERIES_AT_ONCE, each - first);
      const some = new Float32Array(count * dim);
      for (let i = 0; i < count; i++) {
        const row = Math.floor((first + i + 0.5) * queries.count / each);
        some.set(all.subarray(row * dim, (row + 1) * dim), i * dim);
      }
      yield some;
    }
  }
}

function joined(parts: readonly Int32Array[]): Int32Array<ArrayBuffer> {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Keys as queries, evenly, less the mean of all, some at a time: the query that wants a key which no query of the text wanted, as
 * a question does that nothing in the text has asked, is most like the key itself.
 */
function* keyQueries(
  k: Float32Array,
  mean: Float32Array,
  share: number,
): Generator<Float32Array<ArrayBuffer>> {
  const dim = mean.length;
  const keys = k.length / dim;
  const count = Math.round(share * keys);
  for (let first = 0; first < count; first += QUERIES_AT_ONCE) {
    const rows = Math.min(QUERIES_AT_ONCE, count - first);
    const q = new Float32Array(rows * dim);
    for (let row = 0; row < rows; row++) {
      const [from, to] = [Math.floor((first + row) * keys / count) * dim, row * dim];
      for (let i = 0; i < dim; i++) q[to + i] = k[from + i]! - mean[i]!;
    }
    yield q;
  }
}

function meanOf(rows: Float32Array, dim: number): Float64Array {
  const mean = new Float64Array(dim);
  for (let row = 0; row < rows.length; row += dim) {
    for (let i = 0; i < dim; i++) mean[i]! += rows[row + i]!;
  }
  return mean.map((sum) => sum * dim / rows.length);
}
