/** Bins of an axis and the tokens they hold: token `i` of `tokens` is in bin `floor(i * bins / tokens)`. */

/** An axis of tokens that is drawn in bins. */
export interface BinAxis {
  /** Tokens of the axis. */
  readonly tokens: number;
  /** Bins of the axis, at most as many as tokens. */
  readonly bins: number;
  /** Bin of a token. */
  binOf(token: number): number;
  /** First token of a bin; that of bin `bins` is the number of tokens. */
  firstOf(bin: number): number;
}

/** What stands for the values of a bin. */
export type Pool = "max" | "mean" | "sum";

/**
 * An axis of at most `most` bins.
 *
 * @throws {RangeError} when `most` is no whole number above 0
 */
export function binAxis(tokens: number, most: number): BinAxis {
  if (!Number.isSafeInteger(most) || most < 1) {
    throw new RangeError(
      `Cannot bin as bins must be a whole number >= 1: current value is ${most}`,
    );
  }
  const bins = Math.max(1, Math.min(tokens, most));
  return {
    tokens,
    bins,
    binOf: (token) => Math.floor(token * bins / tokens),
    firstOf: (bin) => Math.ceil(bin * tokens / bins),
  };
}

/** At most `most` of `count` places from 0 on, evenly spread. */
export function evenPlaces(count: number, most: number): number[] {
  const { bins, firstOf } = binAxis(count, most);
  return Array.from({ length: bins }, (_, bin) => firstOf(bin));
}

/** An axis whose bins hold so many tokens each, but for the last. */
export interface FixedAxis extends BinAxis {
  /** Tokens of a bin. */
  readonly binTokens: number;
}

/** An axis of as many bins of `binTokens` tokens as it takes. */
export function fixedAxis(tokens: number, binTokens: number): FixedAxis {
  return {
    tokens,
    binTokens,
    bins: Math.ceil(tokens / binTokens),
    binOf: (token) => Math.floor(token / binTokens),
    firstOf: (bin) => Math.min(tokens, bin * binTokens),
  };
}

/** A row of values, pooled to the bins of an axis. Bins whose values are all `NaN` are `NaN`. */
export function poolRow(values: ArrayLike<number>, axis: BinAxis, pool: Pool): Float64Array {
  const pooled = new Float64Array(axis.bins);
  for (let bin = 0; bin < axis.bins; bin++) {
    pooled[bin] = poolSpan(values, axis.firstOf(bin), axis.firstOf(bin + 1), pool);
  }
  return pooled;
}

function poolSpan(values: ArrayLike<number>, start: number, end: number, pool: Pool): number {
  let pooled = NaN;
  let count = 0;
  for (let token = start; token < end; token++) {
    const value = values[token]!;
    if (Number.isNaN(value)) continue;
    if (count++ === 0) pooled = value;
    else if (pool !== "max") pooled += value;
    else if (value > pooled) pooled = value;
  }
  return pool === "mean" ? pooled / count : pooled;
}

/** A matrix `[rows, columns]`, pooled to the bins of two axes, `[rows.bins, columns.bins]`. */
export function poolMatrix(
  values: ArrayLike<number>,
  rows: BinAxis,
  columns: BinAxis,
  pool: Pool,
): Float64Array {
  const pooled = new Float64Array(rows.bins * columns.bins).fill(NaN);
  const counts = new Int32Array(pooled.length);
  for (let row = 0; row < rows.tokens; row++) {
    for (let column = 0; column < columns.tokens; column++) {
      const value = values[row * columns.tokens + column]!;
      if (Number.isNaN(value)) continue;
      const cell = rows.binOf(row) * columns.bins + columns.binOf(column);
      const before = pooled[cell]!;
      if (counts[cell]!++ === 0) pooled[cell] = value;
      else pooled[cell] = pool === "max" ? Math.max(before, value) : before + value;
    }
  }
  return pool === "mean" ? pooled.map((sum, cell) => sum / counts[cell]!) : pooled;
}
