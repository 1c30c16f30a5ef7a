/** Indexes over the keys of a cache: which keys would a query attend to most? */
import type { Awaitable, KvView, RunControl, Tensor, TopKeys } from "../../ffi/backend.ts";

/** A question to an index about one query row. */
export interface IndexQuery {
  /** Queries after RoPE, `[rows, heads, dim]`. */
  readonly q: Tensor;
  /** Row of `q`. */
  readonly row: number;
  /** Query heads that ask. */
  readonly heads: readonly number[];
  /** Keys of the layer. */
  readonly kv: KvView;
  /** First key that may be returned. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Keys to return per head. */
  readonly topK: number;
}

/** Answer of an index. */
export interface IndexAnswer {
  /** One per asking head. */
  readonly found: TopKeys[];
  /** Query-key scores computed for each asking head in order to select. */
  readonly scanned: number;
}

/** An index over keys. */
export interface KvIndex {
  /** Id that plans name it by. */
  readonly id: string;
  /** Finds keys. */
  search(query: IndexQuery, control?: RunControl): Awaitable<IndexAnswer>;
}
