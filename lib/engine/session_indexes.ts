/** The indexes of a session: built when there are keys enough, extended as keys leave the window. */
import type { Backend, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { indexesOf } from "../attention/indexes_of.ts";
import type { Method } from "../attention/method.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { ModelConfig } from "../model/types.ts";
import type { IndexStats } from "../retrieval/kv_index.ts";
import { LayerRetrieval, type SavedRetrieval } from "../retrieval/layer_retrieval.ts";
import { QuerySamples, type SavedQueries } from "../retrieval/query_samples.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import { upTo } from "../retrieval/up_to.ts";

/** What indexes are made with. */
export interface IndexParts {
  /** Computes. */
  readonly backend: Backend;
  /** Shapes. */
  readonly config: Pick<ModelConfig, "layers" | "heads" | "dim" | "windows">;
  /** Queries of a prefill that are kept for each head; 0 for none. */
  readonly samples: number;
}

/** What the index of a layer took and takes. */
export interface LayerIndexStats extends IndexStats {
  /** The layer. */
  readonly layer: number;
  /** What the method asked for: kind and options, of which `kind` is what `auto` has chosen. */
  readonly wish: RetrievalWish;
}

/** An index of a layer, and what it is there for. */
interface Held {
  readonly layer: number;
  readonly wish: RetrievalWish;
  readonly retrieval: LayerRetrieval;
}

/** An index as data, with what it is there for. */
export interface SavedLayerIndex {
  /** The layer. */
  readonly layer: number;
  /** What it is there for. */
  readonly wish: RetrievalWish;
  /** The index. */
  readonly saved: SavedRetrieval;
}

/** Indexes by layer and wish. */
export class SessionIndexes {
  readonly #parts: IndexParts;
  readonly #samples: QuerySamples[];
  readonly #held = new Map<string, Held>();

  /** None yet. */
  constructor(parts: IndexParts, samples?: QuerySamples[]) {
    this.#parts = parts;
    this.#samples = samples ??
      Array.from({ length: parts.config.layers }, () => new QuerySamples(parts.samples));
  }

  /** Bytes of indexes and of kept queries. */
  get sizeBytes(): number {
    const queries = this.#samples.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return this.stats().reduce((sum, { bytes }) => sum + bytes, queries);
  }

  /** What each index took and takes. */
  stats(): LayerIndexStats[] {
    return [...this.#held.values()].map(({ layer, wish, retrieval }) => ({
      layer,
      wish,
      ...retrieval.stats(),
    }));
  }

  /** Keeps some of the queries of a prefill: tokens `start ..` of a layer. */
  sample(layer: number, q: Tensor, start: number): void {
    this.#samples[layer]!.add(q, start);
  }

  /**
   * The index for a query that sees keys up to `end - 1` outside its window, built or extended first where that is due;
   * `null` where there are too few keys.
   */
  async at(
    layer: number,
    wish: RetrievalWish,
    kv: KvView,
    end: number,
    control?: RunControl,
  ): Promise<LayerRetrieval | null> {
    const key = keyOf(layer, wish);
    const known = this.#held.get(key)?.retrieval;
    const pending = end - (known?.end ?? wish.sink);
    if (pending < wish.batch) return known ?? null;
    // What a text brought that is longer than all before is better linked by its own queries.
    if (known && pending <= known.end - known.start) {
      await known.append(kv, end, control);
      return known;
    }
    const { backend, config: { heads } } = this.#parts;
    const queries = this.#samples[layer]!;
    const source = { kv: upTo(kv, end), start: wish.sink, end, heads, queries };
    const retrieval = await LayerRetrieval.build(backend, wish, source, control);
    known?.close();
    this.#held.set(key, { layer, wish, retrieval });
    return retrieval;
  }

  /** Builds or extends the indexes that a method asks, in layers that see more than a window; `onLayer` is called after each. */
  async prepare(
    method: Method,
    cache: PagedCache,
    control: RunControl,
    onLayer: (done: number, total: number) => void = () => {},
  ): Promise<void> {
    const { layers, windows } = this.#parts.config;
    const places = Array.from(
      { length: layers },
      (_, layer) => windows[layer] === null ? indexesOf(method, layer) : [],
    ).flatMap((wishes, layer) => wishes.map((wish) => ({ wish, layer })));
    for (const [done, { wish, layer }] of places.entries()) {
      await this.at(layer, wish, cache.view(layer), cache.length - wish.window, control);
      onLayer(done + 1, places.length);
    }
  }

  /** The same for a session that goes its own way. */
  fork(): SessionIndexes {
    const fork = new SessionIndexes(this.#parts, this.#samples.map((samples) => samples.fork()));
    for (const [key, { layer, wish, retrieval }] of this.#held) {
      fork.#held.set(key, { layer, wish, retrieval: retrieval.fork() });
    }
    return fork;
  }

  /** Forgets tokens from `length` on: an index that covers one of them is built again when it is asked. */
  truncate(length: number): void {
    for (const samples of this.#samples) samples.truncate(length);
    for (const [key, { retrieval }] of this.#held) {
      if (retrieval.end <= length) continue;
      retrieval.close();
      this.#held.delete(key);
    }
  }

  /** All indexes as data. */
  save(): SavedLayerIndex[] {
    return [...this.#held.values()].map(({ layer, wish, retrieval }) => ({
      layer,
      wish,
      saved: retrieval.save(),
    }));
  }

  /** Kept queries of each layer, of tokens before `length`, as data. */
  saveQueries(length: number): SavedQueries[] {
    return this.#samples.map((samples) => samples.save(length));
  }

  /** Takes in queries of a layer that were saved, as many as it may keep. */
  loadQueries(layer: number, saved: SavedQueries): void {
    const { samples, config: { dim } } = this.#parts;
    this.#samples[layer] = QuerySamples.load(samples, dim, saved);
  }

  /** Takes in an index that was saved. */
  async load(
    { layer, wish, saved }: SavedLayerIndex,
    kv: KvView,
    control?: RunControl,
  ): Promise<void> {
    const { backend, config: { heads } } = this.#parts;
    const retrieval = await LayerRetrieval.load(backend, wish, saved, { kv, heads }, control);
    this.#held.set(keyOf(layer, wish), { layer, wish, retrieval });
  }

  /** Frees them. */
  close(): void {
    for (const { retrieval } of this.#held.values()) retrieval.close();
    this.#held.clear();
  }
}

function keyOf(layer: number, { index, tail, sink, window, batch }: RetrievalWish): string {
  return JSON.stringify([layer, index, tail, sink, window, batch]);
}
