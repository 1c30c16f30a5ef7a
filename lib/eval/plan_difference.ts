/** What one plan holds and another does not. */
import { lower, maskOfTiles } from "../attention/lower.ts";
import { countBits } from "../attention/mask_source.ts";
import type { HeadPlan } from "../attention/plan.ts";

/** Rows that two plans are compared in. */
export interface PlanRows {
  /** First query. */
  readonly qStart: number;
  /** Queries. */
  readonly qLen: number;
}

/** Pairs of a query and a key up to it, over all such pairs of the rows. */
export interface PlanDifference {
  /** That only the first plan holds. */
  readonly onlyFirst: number;
  /** That only the second plan holds. */
  readonly onlySecond: number;
  /** That both hold. */
  readonly both: number;
}

/**
 * Compares what two plans of a prefill hold when they are computed: tiles around diagonals count with all their keys.
 *
 * @throws {RangeError} when the rows or a plan are not valid
 */
export function planDifference(
  first: HeadPlan,
  second: HeadPlan,
  { qStart, qLen }: PlanRows,
): PlanDifference {
  const [a, b] = [first, second].map((plan) =>
    maskOfTiles(lower(plan, qStart, qLen, qStart + qLen), qStart)
  );
  let [onlyFirst, onlySecond, both, pairs] = [0, 0, 0, 0];
  for (let i = qStart; i < qStart + qLen; i++) {
    pairs += i + 1;
    for (let start = 0; start <= i; start += 32) {
      const [x, y] = [a!.word(i, start), b!.word(i, start)];
      onlyFirst += countBits(x & ~y);
      onlySecond += countBits(y & ~x);
      both += countBits(x & y);
    }
  }
  return { onlyFirst: onlyFirst / pairs, onlySecond: onlySecond / pairs, both: both / pairs };
}
