/** Median and spread of repetitions. */

/** How values are spread. */
export interface Spread {
  /** The middle one. */
  readonly median: number;
  /** First quartile. */
  readonly low: number;
  /** Third quartile. */
  readonly high: number;
  /** Smallest value. */
  readonly least: number;
  /** How many there are. */
  readonly count: number;
}

/**
 * Median and quartiles of values in any order.
 *
 * @throws {RangeError} when there are none
 */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) {
    throw new RangeError("Cannot give a median as there must be >= 1 values: current value is 0");
  }
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    least: sorted[0]!,
    count: sorted.length,
  };
}

/** Interpolates between the two neighbours. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}
