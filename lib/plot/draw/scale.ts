/** From values to shares of ink, `0 .. 1`. */

/** How values are spread over a palette. */
export type ScaleName = "linear" | "sqrt" | "log" | "quantile";

/** Values to shares of ink and back. */
export interface Scale {
  /** Its name. */
  readonly name: ScaleName;
  /** Smallest and largest value that differ in ink. */
  readonly range: readonly [number, number];
  /** Share of ink of a value, `0 .. 1`; values beyond the range get its end. `NaN` stays `NaN`. */
  ink(value: number): number;
  /** Value that has a share of ink; shares beyond `0 .. 1` count as its ends. */
  value(ink: number): number;
}

/** Decades a logarithmic scale shows below its largest value when the smallest is 0. */
const LOG_DECADES = 5;
/** Values a quantile scale looks at. */
const QUANTILE_SAMPLE = 65_536;

/**
 * A scale over values. `NaN` values are left out of its range.
 *
 * @throws {RangeError} for a range that is not rising and finite
 */
export function makeScale(
  name: ScaleName,
  values: ArrayLike<number>,
  range: readonly [number, number] = rangeOf(values),
): Scale {
  const [low, high] = checked(range);
  if (name === "quantile") return quantileScale(values, [low, high]);
  if (name === "log") return curveScale(name, logRange(low, high));
  return curveScale(name, [low, high]);
}

function curveScale(name: "linear" | "sqrt" | "log", [low, high]: [number, number]): Scale {
  const { to, from } = CURVES[name];
  const [a, b] = [to(low), to(high)];
  const ink = (value: number) => (to(Math.max(value, low)) - a) / (b - a);
  return {
    name,
    range: [low, high],
    ink: (value) => clamp(a === b ? stepAt(high, value) : ink(value)),
    value: (ink) => from(a + clamp(ink) * (b - a)),
  };
}

/** Ink where all values are the same: all of it, but none for 0. */
function stepAt(threshold: number, value: number): number {
  return Number.isNaN(value) ? NaN : Number(value >= threshold && value !== 0);
}

/** A range above 0. Nothing but zeros is a range of one value that no value reaches. */
function logRange(low: number, high: number): [number, number] {
  const top = high > 0 ? high : Number.MIN_VALUE;
  return [Math.min(top, Math.max(low, top / 10 ** LOG_DECADES) || Number.MIN_VALUE), top];
}

/** Smallest and largest of the values that are numbers; `[0, 0]` where there are none. */
export function rangeOf(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [0, 0] : [low, high];
}

const CURVES = {
  linear: { to: (v: number) => v, from: (v: number) => v },
  sqrt: {
    to: (v: number) => Math.sign(v) * Math.sqrt(Math.abs(v)),
    from: (v: number) => Math.sign(v) * v * v,
  },
  log: { to: (v: number) => Math.log10(v), from: (v: number) => 10 ** v },
} as const;

function quantileScale(values: ArrayLike<number>, range: [number, number]): Scale {
  const step = Math.max(1, Math.floor(values.length / QUANTILE_SAMPLE));
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += step) {
    const value = values[i]!;
    if (value >= range[0] && value <= range[1]) sample.push(value);
  }
  const sorted = Float64Array.from(sample.length > 0 ? sample : [range[0]]).sort();
  const last = sorted.length - 1;
  return {
    name: "quantile",
    range,
    ink: (value) => Number.isNaN(value) ? NaN : countBelow(sorted, value) / Math.max(1, last),
    value: (ink) => sorted[Math.round(clamp(ink) * last)]!,
  };
}

/** Values below `value`, at most all but one. */
function countBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function clamp(ink: number): number {
  return Number.isNaN(ink) ? ink : Math.min(1, Math.max(0, ink));
}

function checked([low, high]: readonly [number, number]): [number, number] {
  if (Number.isFinite(low) && Number.isFinite(high) && low <= high) return [low, high];
  throw new RangeError(
    `Cannot scale as the range must be two rising finite numbers: current value is [${low}, ${high}]`,
  );
}
