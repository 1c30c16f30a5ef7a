/** Growth of one quantity with another. */
export interface PowerLaw {
  /** `e` of `y = a x^e`. */
  readonly exponent: number;
  /** `a`. */
  readonly factor: number;
  /** Standard error of the exponent; `null` for two points, which have none. */
  readonly error: number | null;
}

/**
 * Fits `y = a x^e` by least squares of logarithms.
 *
 * @throws {RangeError} for fewer than two different `x`, or a value that is not positive
 */
export function powerLaw(points: readonly (readonly [x: number, y: number])[]): PowerLaw {
  const wrong = points.flat().find((value) => !(value > 0 && Number.isFinite(value)));
  if (wrong !== undefined) {
    throw new RangeError(
      `Cannot fit a power law as values must be positive: current value is ${wrong}`,
    );
  }
  const xs = points.map(([x]) => Math.log(x)), ys = points.map(([, y]) => Math.log(y));
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const spread = sum(xs.map((x) => (x - meanX) ** 2));
  if (!(spread > 0)) {
    throw new RangeError(
      `Cannot fit a power law as two x must differ: current value is ${points.length} points`,
    );
  }
  const exponent = sum(xs.map((x, i) => (x - meanX) * (ys[i]! - meanY))) / spread;
  const rest = sum(xs.map((x, i) => (ys[i]! - meanY - exponent * (x - meanX)) ** 2));
  const free = points.length - 2;
  const error = free === 0 ? null : Math.sqrt(rest / free / spread);
  return { exponent, factor: Math.exp(meanY - exponent * meanX), error };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
