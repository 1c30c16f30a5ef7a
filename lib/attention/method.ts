/** A method decides what every head attends to; it makes plans and touches no kernel. */
import type { Awaitable, TopKeys, VerticalSlash } from "../../ffi/backend.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { HeadPlan } from "./plan.ts";

export type { Awaitable, KeyPlan, TopKeys, VerticalSlash } from "../../ffi/backend.ts";

/** What a method may know when it plans the rows of a prefill chunk. */
export interface PrefillContext {
  /** Layer number. */
  readonly layer: number;
  /** Query heads to plan, rising. */
  readonly heads: readonly number[];
  /** Position in the cache of the chunk's first row. */
  readonly qStart: number;
  /** Rows of the chunk. */
  readonly qLen: number;
  /** Tokens in the cache, the chunk included. */
  readonly kvLength: number;
  /** Tokens in the cache when the prefill that the chunk is part of has ended. */
  readonly promptEnd: number;
  /** Most recent keys, its own included, that a query of the layer sees by the model itself; `null` for all. */
  readonly window: number | null;
  /** Looks at the chunk's queries and the keys of the cache. */
  readonly estimates: Estimates;
  /** What the method keeps from one chunk of the session to the next. */
  readonly memory: Map<string, unknown>;
}

/**
 * What a method may ask about the queries of a chunk and the keys up to it. Scores are counted as scanned keys and timed by
 * the session. Blocks of rows count from the chunk's first row, blocks of keys from key 0.
 */
export interface Estimates {
  /**
   * Attention of `rows` rows (or as many as there are), summed by key and by distance, for each of `heads`: the chunk's last
   * ones, or those before its last `skipped`.
   */
  verticalSlash(
    heads: readonly number[],
    rows: number,
    skipped?: number,
  ): Awaitable<readonly VerticalSlash[]>;
  /** Scores of pairs of blocks by their mean query and mean key, for each of `heads`. */
  blockScores(heads: readonly number[], options: BlockScoreOptions): Awaitable<BlockScores>;
  /** Scores of pairs of blocks by sums along antidiagonals (XAttention), for each of `heads`. */
  antidiagonalScores(
    heads: readonly number[],
    options: AntidiagonalOptions,
  ): Awaitable<BlockScores>;
}

/** How pairs of blocks are scored by their means. */
export interface BlockScoreOptions {
  /** Tokens of a block. */
  readonly block: number;
  /** Each row's softmax with the model's scale; else plain products of means, which rank alike. */
  readonly softmax: boolean;
  /**
   * Only one row: of the chunk's last `block` queries (or as many as there are), wherever blocks begin.
   * @default false
   */
  readonly last?: boolean;
}

/** How pairs of blocks are scored along antidiagonals. */
export interface AntidiagonalOptions {
  /** Tokens of a block; a multiple of `stride`. */
  readonly block: number;
  /** Side of the squares whose antidiagonal is summed. */
  readonly stride: number;
  /** Divides the scores, as the released code's option does. */
  readonly norm: number;
}

/** Scores of pairs of blocks, `[heads, rows, columns]`: 0 or `-Infinity` where no key of the block is seen. */
export interface BlockScores {
  /** Head after head, row after row. */
  readonly scores: Float32Array;
  /** Blocks of queries. */
  readonly rows: number;
  /** Blocks of keys. */
  readonly columns: number;
}

/** What a method may know when it plans one query row outside a prefill: of the question, or a generated token. */
export interface DecodeContext {
  /** Layer number. */
  readonly layer: number;
  /** Query heads to plan, rising. */
  readonly heads: readonly number[];
  /** Place of the row's token in the cache; it sees keys `0 .. position`. */
  readonly position: number;
  /**
   * Asks an index for keys outside the first tokens and the window. Counted as scanned keys and timed by the session,
   * which builds the index when it is first asked.
   */
  search(request: SearchRequest): Awaitable<SearchAnswer>;
}

/** A question to an index. */
export interface SearchRequest {
  /** The index, and which keys it covers. */
  readonly wish: RetrievalWish;
  /** Query heads. */
  readonly heads: readonly number[];
  /** Keys to return for each head at most. */
  readonly topK: number;
  /** Only as many keys as hold, with the static keys, this share of the attention. */
  readonly mass?: number | undefined;
}

/** What an index answered. */
export interface SearchAnswer {
  /** For each head the keys that were found, the best first. */
  readonly found: readonly TopKeys[];
  /** End of the keys that the index covers for this query; keys from here on belong to the window. */
  readonly end: number;
  /** Whether what was not found is estimated and added. */
  readonly hasTail: boolean;
}

/** An attention method. Adding one is one file and its test. */
export interface Method {
  /** Name as printed in tables. */
  readonly name: string;
  /** Checked options, defaults filled in. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it decides how a context is prefilled; if not, the prefill is dense and may be shared with others. */
  readonly governsPrefill: boolean;
  /** One plan for each of `context.heads`, in that order. */
  planPrefill(context: PrefillContext): Awaitable<readonly HeadPlan[]>;
  /** One plan for each of `context.heads`, in that order. */
  planDecode(context: DecodeContext): Awaitable<readonly HeadPlan[]>;
  /** Indexes that its decode plans ask; they are built when a prefill has ended. @default none */
  readonly indexes?: readonly RetrievalWish[];
  /** Those of `indexes` that it asks in a layer: others are not built there. @default all */
  indexesOf?(layer: number): readonly RetrievalWish[];
  /** Keys of a context of `length` tokens that a query head needs at hand in every step: what a fast tier must hold. */
  residentKeys(layer: number, head: number, length: number): number;
}
