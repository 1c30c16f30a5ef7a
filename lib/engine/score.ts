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
  /**
   * Ids at the end of the text that are scored; those before them are only read.
   * @default all
   */
  readonly last?: number;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** Log-probabilities of a text. */
export interface Score {
  /** Ids of the text, BOS included where one was added. */
  readonly ids: Int32Array;
  /** Natural log-probability of each id given all before it; `NaN` for a first id that nothing precedes, and for those that are not scored. */
  readonly logProbs: Float32Array;
  /** Sum over the ids that have one. */
  readonly total: number;
  /** Bits per byte of UTF-8 text, of the text of the `last` ids where only these are scored. */
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
  const from = firstScored(ids.length, options);
  held.checkFits(before + ids.length);
  if (before > 0) held.holdBack(); // the first id is scored by the row of the token before it
  held.push([{ ids, phase }]);
  const logProbs = new Float32Array(ids.length).fill(NaN);
  for (const segment of passes.segments(held.cache.length, held.length - 1)) {
    throwIfAborted(signal);
    for await (const _ of passes.places(passes.request(segment, control)));
    const { start, count } = segment;
    const first = start + 1 - before;
    if (first + count <= from) continue;
    const targets = held.log.slice(start + 1, count);
    logProbs.set(await forward.logProbs(targets, control), first);
  }
  return scoreOf(ids, logProbs.fill(NaN, 0, from), tokenizer.decode(ids.subarray(from)));
}

/** Place in a text of `length` ids of the first that is scored. */
function firstScored(length: number, { last = Infinity }: ScoreOptions): number {
  if (last >= 1 && (last === Infinity || Number.isSafeInteger(last))) {
    return Math.max(length - last, 0);
  }
  throw new RangeError(
    `Cannot score a text as last must be a whole number >= 1: current value is ${last}`,
  );
}

/** Sums up log-probabilities of ids that stand for `text`. */
function scoreOf(ids: Int32Array, logProbs: Float32Array, text: string): Score {
  let total = 0;
  for (const value of logProbs) total += Number.isNaN(value) ? 0 : value;
  const bytes = new TextEncoder().encode(text).length;
  return { ids, logProbs, total, bitsPerByte: -total / Math.LN2 / bytes };
}
