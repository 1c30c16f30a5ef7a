import type { Backend, Tensor, TopKeys } from "../../ffi/backend.ts";
import { ShapeError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { refusal } from "../../ffi/refusal.ts";
import { checkCount } from "../attention/check.ts";
import { PagedCache } from "../cache/paged_cache.ts";
import { type IndexKind, type IndexOptions, indexOptions } from "../retrieval/index_options.ts";
import { checkMass, keysForMass } from "../retrieval/mass_cut.ts";
import type { IndexStats, KvIndex, SavedIndex } from "../retrieval/kv_index.ts";
import { buildIndex, loadIndex } from "../retrieval/make_index.ts";
import { QuerySamples } from "../retrieval/query_samples.ts";
import type { KeptAttention } from "./key_search.ts";
import { Turns } from "./turns.ts";

/** Keys of a layer, in memory of the caller. */
export interface KeyIndexData {
  /** `[tokens, kvHeads, dim]`, after RoPE */
  readonly keys: Float32Array;
  /** `[tokens, kvHeads, dim]`; zeros where absent: searches do not read them. */
  readonly values?: Float32Array;
  /** Queries that a graph is linked by, `[count, heads, dim]`, after RoPE. */
  readonly queries?: Float32Array;
  /** Query heads. */
  readonly heads: number;
  /** KV heads; a divisor of `heads`. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
}

/** Options of {@link KeyIndex}. */
export interface KeyIndexOptions {
  /**
   * Kind of index, or kind and options.
   * @default "flat4"
   */
  readonly index?: IndexKind | IndexOptions;
  /**
   * Element type in which keys are kept.
   * @default "f32"
   */
  readonly kv?: "f32" | "bf16" | "int8";
  /**
   * What computes: the native library of the CPU, or the slow reference.
   * @default "cpu"
   */
  readonly backend?: "cpu" | "reference";
}

/** Options of a search. */
export interface KeySearchOptions {
  /**
   * Keys for each head; with `mass` the most. There may be fewer.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Only as many keys as hold this share, above 0 and at most 1, of the softmax over all keys. Needs an index that can tell: exact,
   * flat4 or pages.
   */
  readonly mass?: number;
}

/** What a search found for a head. */
export interface FoundKeySet extends TopKeys {
  /** Query-key scores that were computed. */
  readonly scanned: number;
  /** Share of the softmax that is kept, where `mass` was asked for. */
  readonly kept: KeptAttention | null;
}

/** A {@link KeyIndex} as data. */
export interface SavedKeyIndex {
  /** The keys. */
  readonly data: KeyIndexData;
  /** The index over them. */
  readonly index: SavedIndex;
  /** Element type in which keys are kept. */
  readonly kv: "f32" | "bf16" | "int8";
}

/**
 * An index over keys that are given as arrays, without a model: to study indexes on keys from elsewhere. Searches and appends that
 * are started together follow each other.
 *
 * @example
 * ```ts ignore
 * const index = await KeyIndex.build({ keys, queries, heads: 8, kvHeads: 2, dim: 128 }, { index: "graph" });
 * const [first] = await index.search(q, { topK: 100 });
 * first.indices, first.scanned;
 * ```
 */
export class KeyIndex {
  readonly #backend: Backend;
  readonly #data: Pick<KeyIndexData, "heads" | "kvHeads" | "dim">;
  readonly #cache: PagedCache;
  readonly #index: KvIndex;
  readonly #kv: "f32" | "bf16" | "int8";
  readonly #turns: Turns;

  private constructor(
    backend: Backend,
    data: KeyIndexData,
    kv: "f32" | "bf16" | "int8",
    cache: PagedCache,
    index: KvIndex,
  ) {
    this.#backend = backend;
    this.#data = { heads: data.heads, kvHeads: data.kvHeads, dim: data.dim };
    this.#kv = kv;
    this.#cache = cache;
    this.#index = index;
    this.#turns = new Turns("the index", () => {
      index.close();
      cache.close();
    });
  }

  /**
   * Builds an index over all keys.
   *
   * @throws {ShapeError} when an array has another length than its shape says
   * @throws {RangeError} when an option or a key is refused
   */
  static async build(data: KeyIndexData, options: KeyIndexOptions = {}): Promise<KeyIndex> {
    const { index = "flat4", kv = "f32", backend: name = "cpu" } = options;
    const wanted: IndexOptions = indexOptions("build an index", index);
    const backend = await openBackend({ backend: name });
    const cache = await filled(backend, data, kv);
    try {
      const source = { kv: cache.view(0), start: 0, end: cache.length, heads: data.heads };
      const queries = sampled(backend, data);
      const built = await buildIndex(backend, wanted, { ...source, queries });
      return new KeyIndex(backend, data, kv, cache, built);
    } catch (error) {
      cache.close();
      throw error;
    }
  }

  /** The index that was saved. */
  static async load(
    { data, index, kv }: SavedKeyIndex,
    options: Pick<KeyIndexOptions, "backend"> = {},
  ): Promise<KeyIndex> {
    const backend = await openBackend({ backend: options.backend ?? "cpu" });
    const cache = await filled(backend, data, kv);
    try {
      const source = { kv: cache.view(0), heads: data.heads };
      const own = structuredClone(index); // appended keys are written into its arrays
      return new KeyIndex(backend, data, kv, cache, await loadIndex(backend, own, source));
    } catch (error) {
      cache.close();
      throw error;
    }
  }

  /** Keys of each KV head. */
  get length(): number {
    return this.#cache.length;
  }

  /**
   * The best keys for one query of each head, `[heads, dim]`.
   *
   * @throws {RangeError} when an option is out of range
   * @throws {BackendError} when it is closed
   */
  async search(q: Float32Array, options: KeySearchOptions = {}): Promise<FoundKeySet[]> {
    const { topK = 100, mass } = options;
    const { heads, dim } = this.#data;
    requireLength("q", q, heads * dim);
    if (mass !== undefined) checkMass("search keys", mass);
    const tensor = this.#backend.tensor([1, heads, dim], "f32", q);
    try {
      return await this.#turns.take("search keys", () => this.#search(tensor, topK, mass));
    } finally {
      tensor.close();
    }
  }

  /**
   * Takes in keys (and values) `[tokens, kvHeads, dim]` behind those that it has. Where they are refused it stays as it was.
   *
   * @throws {RangeError} when a key is refused
   * @throws {BackendError} when it is closed
   */
  async append(keys: Float32Array, values?: Float32Array): Promise<void> {
    const rows = rowsOf(this.#backend, this.#data, keys, values);
    try {
      await this.#turns.take("append keys", () => this.#append(rows));
    } finally {
      rows.forEach((tensor) => tensor.close());
    }
  }

  /** What it took and takes. */
  stats(): IndexStats {
    return this.#index.stats();
  }

  /**
   * It as data, keys and values included, all of it copied.
   *
   * @throws {BackendError} when it is closed, or takes in keys
   */
  save(): SavedKeyIndex {
    this.#turns.checkIdle("save the index");
    const { kvHeads, dim } = this.#data;
    const { table } = this.#cache.view(0);
    const [keys, values] = [0, 0].map(() => new Float32Array(this.length * kvHeads * dim));
    for (let head = 0; head < kvHeads; head++) {
      const { k, v } = this.#backend.readKv(table, head, 0, this.length);
      for (let token = 0; token < this.length; token++) {
        const at = (token * kvHeads + head) * dim;
        keys!.set(k.subarray(token * dim, (token + 1) * dim), at);
        values!.set(v.subarray(token * dim, (token + 1) * dim), at);
      }
    }
    const data = { ...this.#data, keys: keys!, values: values! };
    return { data, index: structuredClone(this.#index.save()), kv: this.#kv };
  }

  /** Frees keys, values and index, once the call that is under way has ended. Calling it twice is fine. */
  close(): void {
    this.#turns.close();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #append(rows: KeyRows): Promise<void> {
    const before = this.length;
    await appendTo(this.#cache, rows);
    try {
      await this.#index.append(this.#cache.view(0), this.length);
    } catch (error) {
      this.#cache.truncate(before);
      throw error;
    }
  }

  async #search(q: Tensor, topK: number, mass: number | undefined): Promise<FoundKeySet[]> {
    const { heads, dim } = this.#data;
    const scale = 1 / Math.sqrt(dim);
    const all = Array.from({ length: heads }, (_, head) => head);
    const place = { kv: this.#cache.view(0), q, row: 0, heads: all, end: this.length };
    const most = Math.min(topK, Math.max(1, this.length)); // native calls make room for all they may find
    checkCount("search keys", "topK", most, 1);
    const answer = await this.#index
      .search({ ...place, topK: most, scale, wantsMass: mass !== undefined });
    return answer.found.map((found, head) => {
      const scanned = answer.scanned[head]!;
      if (mass === undefined) return { ...found, scanned, kept: null };
      if (!answer.mass) throw cannotTell(this.#index.options.kind);
      const masses = { scale, staticLse: -Infinity, indexLse: answer.mass.lse[head]! };
      const cut = keysForMass(found, mass, masses);
      return { ...cut.kept, scanned, kept: { mass: cut.mass, kind: answer.mass.kind } };
    });
  }
}

async function filled(
  backend: Backend,
  data: KeyIndexData,
  kv: "f32" | "bf16" | "int8",
): Promise<PagedCache> {
  const { heads, kvHeads, dim } = data;
  if (heads % kvHeads !== 0) {
    throw refusal(ShapeError, "use keys", `heads must be a multiple of ${kvHeads} KV heads`, heads);
  }
  const rows = rowsOf(backend, data, data.keys, data.values);
  const cache = new PagedCache(backend, { layers: 1, kvHeads, dim, dtype: kv });
  try {
    await appendTo(cache, rows);
    return cache;
  } catch (error) {
    cache.close();
    throw error;
  } finally {
    rows.forEach((tensor) => tensor.close());
  }
}

/** Keys and values of some tokens, `[tokens, kvHeads, dim]`. */
type KeyRows = readonly [k: Tensor, v: Tensor] | readonly [];

function rowsOf(
  backend: Backend,
  { kvHeads, dim }: Pick<KeyIndexData, "kvHeads" | "dim">,
  keys: Float32Array,
  values: Float32Array = new Float32Array(keys.length),
): KeyRows {
  const tokens = keys.length / (kvHeads * dim);
  if (!Number.isInteger(tokens)) throw wrongLength("keys", `a multiple of ${kvHeads * dim}`, keys);
  requireLength("values", values, keys.length);
  if (tokens === 0) return [];
  const shape = [tokens, kvHeads, dim];
  return [backend.tensor(shape, "f32", keys), backend.tensor(shape, "f32", values)];
}

async function appendTo(cache: PagedCache, [k, v]: KeyRows): Promise<void> {
  if (!k || !v) return;
  const [tokens = 0] = k.shape;
  cache.reserve(tokens);
  const first = cache.length;
  await cache.append(0, k, v, Float32Array.from({ length: tokens }, (_, token) => first + token));
  cache.commit(tokens);
}

function sampled(backend: Backend, { queries, heads, dim }: KeyIndexData): QuerySamples {
  if (!queries || queries.length === 0) return new QuerySamples(0);
  const count = queries.length / (heads * dim);
  if (!Number.isInteger(count)) {
    throw wrongLength("queries", `a multiple of ${heads * dim}`, queries);
  }
  const samples = new QuerySamples(count);
  const q = backend.tensor([count, heads, dim], "f32", queries);
  samples.add(q, 0);
  q.close();
  return samples;
}

function requireLength(name: string, array: Float32Array, length: number): void {
  if (array.length !== length) throw wrongLength(name, `${length}`, array);
}

function wrongLength(name: string, rule: string, { length }: Float32Array): ShapeError {
  return new ShapeError(
    `Cannot use ${name} as its length must be ${rule}: current value is ${length}`,
  );
}

function cannotTell(kind: string): RangeError {
  return new RangeError(
    `Cannot search for a mass as the index must be exact, flat4 or pages: current value is ${kind}`,
  );
}
