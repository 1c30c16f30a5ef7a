/** How sure one can be of a share of right answers, and of a difference between two methods. */
import { randomInt, seededRandom } from "../engine/random.ts";

/** A range that holds the true value in 95 of 100 repetitions. */
export interface Interval {
  /** Its lower end. */
  readonly low: number;
  /** Its upper end. */
  readonly high: number;
}

/** A difference and how sure it is. */
export interface Difference extends Interval {
  /** Mean of the first minus mean of the second. */
  readonly difference: number;
}

/** Options of {@link bootstrapDifference}. */
export interface BootstrapOptions {
  /**
   * Samples drawn.
   * @default 2000
   */
  readonly samples?: number;
  /**
   * Seed of the draws.
   * @default 0
   */
  readonly seed?: number;
}

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/**
 * Wilson's interval of a share: `right` of `count`. `right` may be a sum of partial scores, for which it is too wide
 * rather than too narrow.
 *
 * @throws {RangeError} unless `0 <= right <= count`
 */
export function wilson(right: number, count: number): Interval {
  if (!(right >= 0 && right <= count)) {
    throw new RangeError(
      `Cannot give an interval as right must be 0 <= right <= ${count}: current value is ${right}`,
    );
  }
  if (count === 0) return { low: 0, high: 1 };
  const share = right / count;
  const scale = 1 + Z * Z / count;
  const centre = (share + Z * Z / (2 * count)) / scale;
  const half = Z / scale * Math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count));
  return {
    low: right === 0 ? 0 : centre - half,
    high: right === count ? 1 : centre + half,
  };
}

/**
 * Difference of the means of paired scores between 0 and 1: Newcombe's interval where all are 0 or 1, else the
 * bootstrap's.
 *
 * @throws {RangeError} unless both have the same, positive length
 */
export function pairedDifference(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  options: BootstrapOptions = {},
): Difference {
  checkPairs(first, second);
  const binary = [first, second].every((scores) =>
    Array.from(scores).every((score) => score === 0 || score === 1)
  );
  return binary
    ? newcombeDifference(...cells(first, second))
    : bootstrapDifference(first, second, options);
}

/**
 * Difference of two paired shares by method 10 of Newcombe (1998, Statistics in Medicine 17, 2635-2650), from the
 * numbers of pairs in which both, only the first, only the second and none of the two is right.
 */
export function newcombeDifference(
  both: number,
  onlyFirst: number,
  onlySecond: number,
  none: number,
): Difference {
  const count = both + onlyFirst + onlySecond + none;
  const [p1, p2] = [(both + onlyFirst) / count, (both + onlySecond) / count];
  const [first, second] = [wilson(both + onlyFirst, count), wilson(both + onlySecond, count)];
  const phi = correlation(both, onlyFirst, onlySecond, none);
  const reach = (a: number, b: number) => Math.sqrt(a * a - 2 * phi * a * b + b * b);
  const difference = (onlyFirst - onlySecond) / count;
  return {
    difference,
    low: difference - reach(p1 - first.low, second.high - p2),
    high: difference + reach(first.high - p1, p2 - second.low),
  };
}

/** Difference of the means of paired scores with the percentile bootstrap's interval. */
export function bootstrapDifference(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  options: BootstrapOptions = {},
): Difference {
  const { samples = 2000, seed = 0 } = options;
  checkPairs(first, second);
  const random = seededRandom(seed);
  const differences = Float64Array.from(first, (score, i) => score - second[i]!);
  const means = Float64Array.from({ length: samples }, () => {
    let sum = 0;
    for (let i = 0; i < differences.length; i++) {
      sum += differences[randomInt(random, differences.length)]!;
    }
    return sum / differences.length;
  }).sort();
  return {
    difference: mean(differences),
    low: quantile(means, 0.025),
    high: quantile(means, 0.975),
  };
}

function cells(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): [both: number, onlyFirst: number, onlySecond: number, none: number] {
  const counts: [number, number, number, number] = [0, 0, 0, 0];
  for (let i = 0; i < first.length; i++) counts[(first[i] ? 0 : 2) + (second[i] ? 0 : 1)]!++;
  return counts;
}

/** The phi coefficient, with Newcombe's continuity correction. */
function correlation(a: number, b: number, c: number, d: number): number {
  const spread = (a + b) * (c + d) * (a + c) * (b + d);
  if (spread === 0) return 0;
  const covariance = a * d - b * c;
  const half = (a + b + c + d) / 2;
  const corrected = covariance > 0 ? Math.max(0, covariance - half) : covariance;
  return corrected / Math.sqrt(spread);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Interpolates between the two neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}

function checkPairs(first: ArrayLike<number>, second: ArrayLike<number>): void {
  if (first.length === second.length && first.length > 0) return;
  throw new RangeError(
    `Cannot compare scores as both must have the same length >= 1: current value is ${first.length} and ${second.length}`,
  );
}
