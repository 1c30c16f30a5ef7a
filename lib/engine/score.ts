import type { Tokenizer } from "../model/types.ts";
import type { Phase } from "./forward.ts";
import type { Passes } from "./passes.ts";
import { type RunScope, throwIfAborted } from "./run.ts";

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

/** Scores a text after what a session holds, which then holds the text, too. */
export async function scoreText(
  tokenizer: Tokenizer,
  passes: Passes,
  text: string | Int32Array,
  options: ScoreOptions,
  { signal, control }: Pick<RunScope<never>, "signal" | "control">,
): Promise<Score> {
  const { held, forward } = passes;
  const before = held.length;
  const { phase = before === 0 ? "prefill" : "decode" } = options;
  const ids = held.encode(text);
  held.checkFits(before + ids.length);
  held.push([{ ids, phase }]);
  const logProbs = new Float32Array(ids.length).fill(NaN);
  if (before > 0) held.holdBack();
  for (const segment of passes.segments(held.cache.length, held.length - 1)) {
    throwIfAborted(signal);
    for await (const _ of passes.places(passes.request(segment, control)));
    const { start, count } = segment;
    const targets = held.log.slice(start + 1, count);
    logProbs.set(await forward.logProbs(targets, control), start + 1 - before);
  }
  return scoreOf(ids, logProbs, tokenizer);
}

/** Sums up log-probabilities. */
function scoreOf(ids: Int32Array, logProbs: Float32Array, tokenizer: Tokenizer): Score {
  let total = 0;
  for (const value of logProbs) total += Number.isNaN(value) ? 0 : value;
  const bytes = new TextEncoder().encode(tokenizer.decode(ids)).length;
  return { ids, logProbs, total, bitsPerByte: -total / Math.LN2 / bytes };
}
