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

/** An axis of at most `most` bins. */
export function binAxis(tokens: number, most: number): BinAxis {
  const bins = Math.max(1, Math.min(tokens, most));
  return {
    tokens,
    bins,
    binOf: (token) => Math.floor(token * bins / tokens),
    firstOf: (bin) => Math.ceil(bin * tokens / bins),
  };
}

/** A row of values, pooled to the bins of an axis. Bins whose values are all `NaN` are `NaN`. */
export function poolRow(values: ArrayLike<number>, axis: BinAxis, pool: Pool): Float64Array {
  const pooled = new Float64Array(axis.bins).fill(NaN);
  const counts = new Int32Array(axis.bins);
  for (let token = 0; token < axis.tokens; token++) {
    const value = values[token]!;
    if (Number.isNaN(value)) continue;
    const bin = axis.binOf(token);
    const before = pooled[bin]!;
    if (counts[bin]!++ === 0) pooled[bin] = value;
    else pooled[bin] = pool === "max" ? Math.max(before, value) : before + value;
  }
  return pool === "mean" ? pooled.map((sum, bin) => sum / counts[bin]!) : pooled;
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
