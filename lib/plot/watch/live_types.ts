/** What a live view takes: the run of a generation, as it sees it. */
import type { Followed } from "./follow.ts";
import type { FigureOptions } from "../options.ts";
import type { ProgressEvent } from "../progress.ts";

/** Heads whose attention rows are kept. */
export interface LiveCapture {
  /**
   * Layers.
   * @default "all"
   */
  readonly layers?: readonly number[] | "all";
  /**
   * Query heads of each.
   * @default "all"
   */
  readonly heads?: readonly number[] | "all";
}

/** Query-key pairs of a step, over layers and heads. */
export interface LiveCounts {
  /** Scored in order to select. */
  readonly scanned: number;
  /** In the softmaxes. */
  readonly attended: number;
  /** That there were: the denominator of both. */
  readonly keys: number;
}

/** A generated token and how it came about. */
export interface LiveStep {
  /** Tells it from other events. */
  readonly kind: "step";
  /** Place of the token; it saw the keys `0 .. index-1`. */
  readonly index: number;
  /** Milliseconds it took. */
  readonly ms: number;
  /** What was scanned and attended. */
  readonly counts: LiveCounts;
  /** Heads whose rows were captured. */
  readonly captured: readonly { readonly layer: number; readonly head: number }[];
  /** Row of a captured head, over the keys. */
  attention(layer: number, head: number): Float32Array;
  /** What a head retrieved: keys that an index returned. */
  retrieval(layer: number, head: number): { readonly indices: readonly number[] };
  /** Plans of a layer's heads. */
  plan(layer: number): { readonly heads: readonly unknown[] };
}

/** What the session tells that generates. */
export interface LiveSource {
  /** Name of the attention method. */
  readonly method: string;
  /** Texts of tokens `start .. end-1`, as far as there are such tokens. */
  tokens(start: number, end: number): readonly string[];
  /** Tokens and bytes of keys and values, and the bytes that the method needs at hand. */
  memory(): {
    readonly tokens: number;
    readonly kvBytes: number;
    readonly residentBytes: number;
  };
}

/** Result of a generation. */
export interface LiveGeneration {
  /** The text. */
  readonly text: string;
  /** Ids of the tokens. */
  readonly ids: ArrayLike<number>;
  /** Why it ended. */
  readonly reason: string;
  /** Milliseconds a token. */
  readonly msPerToken: number;
}

/** A generation that has started: `session.ask(..)` or `session.generate(..)`. */
export interface LiveRun<Result extends LiveGeneration = LiveGeneration>
  extends Followed<LiveStep | ProgressEvent, Result> {
  /** Rows that steps keep; may be set before the first step. */
  capture: LiveCapture | undefined;
  /** The session that generates. */
  readonly source: LiveSource;
}

/** A line of numbers below the view. */
export interface LiveFact {
  /** What it is about. */
  readonly name: string;
  /** What it says. */
  readonly text: string;
  /**
   * Share of 1, drawn as a bar.
   * @default no bar
   */
  readonly share?: number;
}

/** Options of {@link live}. */
export interface LiveOptions extends FigureOptions, LiveCapture {
  /**
   * Lines of the caller's own below the view, asked for in every frame: head types, what was compressed.
   * @default none
   */
  readonly extras?: () => readonly LiveFact[];
}
