/** A method decides what every head attends to; it makes plans and touches no kernel. */
import type { Awaitable, TopKeys } from "../../ffi/backend.ts";
import type { HeadPlan } from "./plan.ts";

export type { Awaitable, KeyPlan, TopKeys } from "../../ffi/backend.ts";

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
   * Asks an index for the `topK` keys of `start <= j < end` that score highest for each of `heads`. Counted as
   * scanned keys and timed by the session.
   */
  search(request: SearchRequest): Awaitable<TopKeys[]>;
}

/** A question to an index. */
export interface SearchRequest {
  /** Id of the index. */
  readonly index: string;
  /** Query heads. */
  readonly heads: readonly number[];
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Keys to return per head. */
  readonly topK: number;
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
  /** Keys of a context of `length` tokens that a query head needs at hand in every step: what a fast tier must hold. */
  residentKeys(layer: number, head: number, length: number): number;
}
