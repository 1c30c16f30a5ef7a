/** What a run over whole models found: a section of the result. */
import type { Limit } from "../ceilings.ts";
import type { Beside, RunHead } from "../result.ts";
import type { Spread } from "../statistics.ts";

/** How far another program's choices of tokens are from ours, on the same ids. */
export interface Agreement {
  /** Choices that are the same. */
  readonly same: number;
  /** Choices in all: the token after the text, and those behind it. */
  readonly of: number;
  /** By how much its likeliest token's logit was above that of ours, at most. */
  readonly widestGap: number;
}

/** Reading a text with a model, or generating behind it. */
export interface ModelRow {
  /** Name of the model. */
  readonly model: string;
  /** Type of its weights as the file says it; null where it does not. */
  readonly weights: string | null;
  /** Tokens that the model was made for; null where its file does not say. */
  readonly contextLength: number | null;
  /** Reading the text until the next token is chosen, or passing on by one token. */
  readonly task: "prefill" | "decode";
  /** Tokens of the text. */
  readonly tokens: number;
  /** Floating-point operations: of the text, or of one token. */
  readonly flops: number;
  /** Bytes that must be read and written once: for the text, or for one token. */
  readonly trafficBytes: number;
  /** Milliseconds: for the text, or for one token. */
  readonly ms: Spread;
  /** What limits it. */
  readonly limit: Limit;
  /** What was measured beside it. */
  readonly beside: readonly Beside[];
  /** Whether both did the same; null where nothing was measured beside it. */
  readonly agreement: Agreement | null;
}

/** A run over whole models. */
export interface ModelsResult extends RunHead {
  /** Model by model, the shortest text first. */
  readonly rows: readonly ModelRow[];
}
