/** Indexes over the keys of a layer: which keys would a query attend to most? */
import type { Awaitable, KvView, RunControl, Tensor, TopKeys } from "../../ffi/backend.ts";
import type { IndexOptions } from "./index_options.ts";

/** Queries of a layer's prefill, as many as were kept. */
export interface SampledQueries {
  /** Queries of a head. */
  readonly count: number;
  /** Those of one query head, `[count, dim]`. */
  head(head: number): Float32Array<ArrayBuffer>;
}

/** What an index is built of: keys of all KV heads of a layer. */
export interface IndexSource {
  /** Keys and values. */
  readonly kv: KvView;
  /** First key that it covers. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Query heads of the layer. */
  readonly heads: number;
  /** Sampled queries; an index that needs them refuses where there are none. */
  readonly queries: SampledQueries;
}

/** A question to an index about one query of some heads. */
export interface IndexQuery {
  /** Keys and values of the layer. */
  readonly kv: KvView;
  /** Queries after RoPE, `[rows, heads, dim]`. */
  readonly q: Tensor;
  /** Row of `q`. */
  readonly row: number;
  /** The row's queries, `[heads, dim]`, where they have been read: that may wait for a device. */
  readonly queries?: Float32Array | undefined;
  /** Query heads that ask. */
  readonly heads: readonly number[];
  /** Only keys before this one are returned. */
  readonly end: number;
  /** Keys to return for each head. */
  readonly topK: number;
  /** Multiplies scores in a softmax. */
  readonly scale: number;
  /** Whether the attention mass of all its keys is wanted. */
  readonly wantsMass: boolean;
}

/** How sure a mass is: proven by a bound, or estimated. */
export type MassKind = "exact" | "bound" | "estimate";

/** What all keys of an index add to the softmax of each asking head. */
export interface IndexMass {
  /** Log of the sum over its keys of `exp(scale q . k)`, for each head; as a `bound` never below it. */
  readonly lse: Float32Array<ArrayBuffer>;
  /** How sure it is. */
  readonly kind: MassKind;
}

/** Answer of an index. */
export interface IndexAnswer {
  /** One for each asking head. */
  readonly found: readonly TopKeys[];
  /** Query-key scores that were computed for each asking head in order to select. */
  readonly scanned: ArrayLike<number>;
  /** What all its keys add, where it was asked for and the index can tell. */
  readonly mass: IndexMass | null;
}

/** What an index took and takes. */
export interface IndexStats {
  /** Kind of index. */
  readonly kind: string;
  /** Keys of a KV head. */
  readonly keys: number;
  /** Of these, keys that were appended after it was built. */
  readonly appended: number;
  /** Bytes beside keys and values. */
  readonly bytes: number;
  /** Milliseconds that building took. */
  readonly buildMs: number;
  /** Milliseconds that appending took. */
  readonly appendMs: number;
}

/** An array of an index, as it is saved. */
export type IndexArray =
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** An index as data. */
export interface SavedIndex {
  /** Kind and options. */
  readonly options: IndexOptions;
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Keys that were appended. */
  readonly appended: number;
  /** Milliseconds that building took. */
  readonly buildMs: number;
  /** Its other numbers. */
  readonly counts: Readonly<Record<string, number>>;
  /** Its arrays. */
  readonly arrays: Readonly<Record<string, IndexArray>>;
}

/** An index over the keys of one layer. Keys and values stay where they are; calls are given them. */
export interface KvIndex {
  /** Kind and options. */
  readonly options: IndexOptions;
  /** First key that it covers. */
  readonly start: number;
  /** End of the keys that it covers. */
  readonly end: number;
  /** Finds keys. */
  search(query: IndexQuery, control?: RunControl): Awaitable<IndexAnswer>;
  /** Takes in the keys from its end up to `end`. */
  append(kv: KvView, end: number, control?: RunControl): Awaitable<void>;
  /** What it took and takes. */
  stats(): IndexStats;
  /** An index over the same keys that goes its own way; what neither changes is shared. */
  fork(): KvIndex;
  /** It as data; the arrays are its own and must not be changed. */
  save(): SavedIndex;
  /** Frees what it holds. */
  close(): void;
}
