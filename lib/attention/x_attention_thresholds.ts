/** Calibrates the thresholds of XAttention. */
import { checkShare } from "./check.ts";
import type { BlockScores } from "./method.ts";
import { scoresOfHead } from "./query_blocks.ts";
import { topShare } from "./top_share.ts";

/** What one text tells about the heads of a layer; both parts have one shape. */
export interface XAttentionSample {
  /** Attention of every pair of blocks, summed: each query's probabilities add up to 1. */
  readonly truth: BlockScores;
  /** Scores along antidiagonals of the same pairs (`Estimates.antidiagonalScores`). */
  readonly scores: BlockScores;
}

/** Options of {@link xAttentionThresholds}. */
export interface XAttentionThresholdOptions {
  /**
   * Share of a row's true attention to reach.
   * @default 0.9
   */
  readonly share?: number;
}

/**
 * Threshold of each head of a layer, by the rule of XAttention's released calibration: in each row of blocks the fewest blocks
 * that hold `share` of the true attention, equal ones the earlier; the least score among them; the share that the scores not
 * below it have of all scores of the head; and of the texts' values the largest.
 *
 * @throws {RangeError} if there is no text, `share` is not 0 .. 1, the parts of a text or the texts' numbers of heads differ, or
 * a head's scores are all 0
 */
export function xAttentionThresholds(
  texts: readonly XAttentionSample[],
  { share = 0.9 }: XAttentionThresholdOptions = {},
): number[] {
  checkShare("calibrate xAttention", "share", share);
  const heads = countHeads(texts);
  return Array.from({ length: heads }, (_, head) => {
    const found = texts.map(({ truth, scores }) =>
      thresholdOf(scoresOfHead(truth, head), scoresOfHead(scores, head), share)
    );
    return Math.max(...found);
  });
}

function thresholdOf(truth: BlockScores, scores: BlockScores, share: number): number {
  const { rows, columns } = truth;
  let [kept, all] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const line = scores.scores.subarray(row * columns, (row + 1) * columns);
    const wanted = topShare(truth.scores.subarray(row * columns, (row + 1) * columns), share);
    const least = Math.min(...wanted.map((column) => line[column]!));
    for (const score of line) {
      all += score;
      if (score >= least) kept += score;
    }
  }
  if (all > 0) return kept / all;
  throw new RangeError(
    `Cannot calibrate xAttention as scores must have a sum above 0: current value is ${all}`,
  );
}

/** The heads of every text, whose parts are checked. */
function countHeads(texts: readonly XAttentionSample[]): number {
  const counts = new Set(texts.map(({ truth, scores }) => {
    const [wanted, found] = [sizeOf(truth), sizeOf(scores)];
    if (wanted !== found) throw mismatch("scores", `of the size of truth, ${wanted}`, found);
    return truth.scores.length / (truth.rows * truth.columns);
  }));
  if (counts.size === 1) return [...counts][0]!;
  throw mismatch("texts", "one or more with the same number of heads", `${[...counts]}`);
}

function sizeOf({ scores, rows, columns }: BlockScores): string {
  return `${scores.length / (rows * columns)} x ${rows} x ${columns}`;
}

function mismatch(name: string, wanted: string, found: string): RangeError {
  return new RangeError(
    `Cannot calibrate xAttention as ${name} must be ${wanted}: current value is ${found}`,
  );
}
