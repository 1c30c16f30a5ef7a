/** What a shaded text is drawn from. */
import type { Scale } from "../draw/scale.ts";

/** One kind of score. */
export interface Metric {
  /** What it is. */
  readonly name: string;
  /** Score of each token, `NaN` where there is none. */
  readonly values: ArrayLike<number>;
  /** From scores to shares of shade. */
  readonly scale: Scale;
}

/** Tokens that follow each other. */
export interface HeatRun {
  /** First token. */
  readonly start: number;
  /** After the last token. */
  readonly end: number;
  /** Whether they are shown one by one; the others are folded. */
  readonly open: boolean;
}

/** A shaded text. */
export interface Heat {
  /** Text of each token. */
  readonly tokens: readonly string[];
  /** Its scores, at least one kind. */
  readonly metrics: readonly Metric[];
  /** All tokens in runs. */
  readonly runs: readonly HeatRun[];
  /** Line above. */
  readonly title: string;
  /** Caption. */
  readonly facts: readonly string[];
}
