import type { Tokenizer } from "../model/types.ts";
import type { Phase } from "./forward.ts";

/** Options of a score. */
export interface ScoreOptions {
  /**
   * Which of the method's plans the text gets.
   * @default "prefill" in an empty session, "decode" after a context
   */
  readonly phase?: Phase;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** Log-probabilities of a text. */
export interface Score {
  /** Ids of the text, BOS included where one was added. */
  readonly ids: Int32Array;
  /** Natural log-probability of each id given all before it; `NaN` for a first id that nothing precedes. */
  readonly logProbs: Float32Array;
  /** Sum over the ids that have one. */
  readonly total: number;
  /** Bits per byte of UTF-8 text. */
  readonly bitsPerByte: number;
}

/** Sums up log-probabilities. */
export function scoreOf(ids: Int32Array, logProbs: Float32Array, tokenizer: Tokenizer): Score {
  let total = 0;
  for (const value of logProbs) total += Number.isNaN(value) ? 0 : value;
  const bytes = new TextEncoder().encode(tokenizer.decode(ids)).length;
  return { ids, logProbs, total, bitsPerByte: -total / Math.LN2 / bytes };
}
