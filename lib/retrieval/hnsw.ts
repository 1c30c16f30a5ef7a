/** `npm:hnswlib-node` as an index: what one would take off the shelf, and what attention-aware indexes must beat. */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import { BackendError, CancelledError } from "../../ffi/errors.ts";
import { askedKeys, askingRows, keysToFind } from "./asking_rows.ts";
import { emptyPlace, GrowingIndex, type IndexPlace } from "./growing_index.ts";
import { roomFor } from "./growing.ts";
import type { Filled } from "./index_options.ts";
import type { IndexAnswer, IndexQuery, IndexSource, IndexStats, KvIndex } from "./kv_index.ts";

/** What is used of the package: the graph of a KV head. */
export interface HnswGraph {
  initIndex(maxElements: number, m: number, efConstruction: number, randomSeed: number): void;
  resizeIndex(maxElements: number): void;
  getMaxElements(): number;
  getNumDimensions(): number;
  /** Adds a point, or moves the one of that label. */
  addPoint(point: number[], label: number): void;
  setEf(ef: number): void;
  searchKnn(query: number[], k: number): { distances: number[]; neighbors: number[] };
}
type HnswClass = new (space: "ip", dim: number) => HnswGraph;

const PACKAGE = "npm:hnswlib-node@3.0.0";
const SEED = 100;
/** Keys that are added before other things may happen. */
const KEYS_AT_ONCE = 64;

/**
 * Builds an index for each KV head, by inner product, as the package does.
 *
 * @throws {BackendError} when the package is not installed, or its native part was not built
 */
export async function buildHnsw(
  backend: Backend,
  options: Filled<"hnsw">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const make = await load();
  const { kvHeads, spec: { dim } } = source.kv.table;
  const graphs = Array.from({ length: kvHeads }, () => new make("ip", dim));
  const index = new HnswIndex(backend, options, emptyPlace(source), graphs);
  return await index.build(source.kv, source.end, control);
}

async function load(): Promise<HnswClass> {
  try {
    const { default: found } = await import(PACKAGE);
    return found.HierarchicalNSW as HnswClass;
  } catch (cause) {
    throw new BackendError(
      `Cannot build an hnsw index as the native part of hnswlib-node must be built (README, "KV retrieval"): ` +
        `current problem is ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * What the package reserves for a point: neighbours of the lowest level and their count, the point itself, its label and a
 * pointer to the few neighbours of other levels.
 */
function pointBytes(degree: number, dim: number): number {
  return 4 * (2 * degree + 1) + 4 * dim + 8 + 8;
}

/** The graphs of all KV heads, one of the package for each. */
export class HnswIndex extends GrowingIndex<Filled<"hnsw">> {
  readonly #backend: Backend;
  readonly #graphs: readonly HnswGraph[];

  /** Takes over graphs that hold the keys of `place`. */
  constructor(
    backend: Backend,
    options: Filled<"hnsw">,
    place: IndexPlace,
    graphs: readonly HnswGraph[],
  ) {
    super(options, place);
    this.#backend = backend;
    this.#graphs = graphs;
  }

  /** It is built again from the keys. */
  protected get arrays() {
    return {};
  }

  /** Finds keys; the package does not tell how many it scored. */
  search(query: IndexQuery): Promise<IndexAnswer> {
    const { q, kvHeadOf } = askingRows(query);
    const dim = q.length / kvHeadOf.length;
    const k = Math.min(keysToFind(query, this.end), this.nodes);
    const found = query.heads.map((_, r) => {
      const graph = this.#graphs[kvHeadOf[r]!]!;
      graph.setEf(Math.max(this.options.width, k));
      const { distances, neighbors } = graph.searchKnn([...q.subarray(r * dim, (r + 1) * dim)], k);
      return {
        indices: Int32Array.from(neighbors, (node) => node + this.start),
        scores: Float32Array.from(distances, (distance) => 1 - distance),
      };
    });
    return Promise.resolve({
      // An append that was stopped leaves keys behind the end.
      found: askedKeys({ ...query, end: Math.min(query.end, this.end) }, found),
      scanned: query.heads.map(() => NaN),
      mass: null,
    });
  }

  override stats(): IndexStats {
    const bytes = this.#graphs.reduce((sum, graph) => {
      const point = pointBytes(this.options.degree, graph.getNumDimensions());
      return sum + graph.getMaxElements() * point;
    }, 0);
    return { ...super.stats(), bytes };
  }

  protected async extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    if (this.isShared) {
      throw new BackendError(
        "Cannot append keys to an hnsw index that sessions share as the package cannot copy one: use graph",
      );
    }
    const { degree, buildWidth } = this.options;
    for (const [kvHead, graph] of this.#graphs.entries()) {
      const room = roomFor(end - this.start);
      if (this.nodes === 0) graph.initIndex(room, degree, buildWidth, SEED);
      else if (graph.getMaxElements() < end - this.start) graph.resizeIndex(room);
      for (let key = this.end; key < end; key += KEYS_AT_ONCE) {
        if (control?.cancelled) {
          throw new CancelledError("Cannot build an hnsw index as it was cancelled");
        }
        this.#add(graph, kv, kvHead, key, Math.min(KEYS_AT_ONCE, end - key));
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
  }

  protected copy(place: IndexPlace): HnswIndex {
    return new HnswIndex(this.#backend, this.options, place, this.#graphs);
  }

  /** The package frees its graphs when nothing refers to them. */
  close(): void {}

  #add(graph: HnswGraph, kv: KvView, kvHead: number, first: number, count: number): void {
    const { k } = this.#backend.readKv(kv.table, kvHead, first, count);
    const { dim } = kv.table.spec;
    for (let i = 0; i < count; i++) {
      graph.addPoint([...k.subarray(i * dim, (i + 1) * dim)], first + i - this.start);
    }
  }
}
