import { type FixedAxis, fixedAxis, poolRow } from "../draw/bins.ts";

/** A row of the strip: one step. */
export interface StripRow {
  /** Place of the step's token. */
  readonly index: number;
  /** Largest attention of each bin; `NaN` where there are no keys. */
  readonly bins: Float64Array;
}

const MOST_ROWS = 64;
const MOST_BINS = 256;
/** Tokens there may be more in the end than at first without another size of bins. */
const HEADROOM = 128;

/** The attention of the last 64 steps in at most 256 bins of positions, which get coarser as the text grows. */
export class RollingStrip {
  #rows: StripRow[] = [];
  #binTokens = 0;
  #tokens = 0;

  /** Rows, the latest last. */
  get rows(): readonly StripRow[] {
    return this.#rows;
  }

  /** Bins of the positions that the latest row has. */
  get axis(): FixedAxis {
    return fixedAxis(this.#tokens, this.#binTokens);
  }

  /** Adds the row of the token at `index`, over the keys before it. */
  push(index: number, row: ArrayLike<number>): void {
    this.#tokens = row.length;
    this.#binTokens ||= Math.ceil((row.length + HEADROOM) / MOST_BINS);
    while (row.length > MOST_BINS * this.#binTokens) this.#halve();
    const bins = new Float64Array(MOST_BINS).fill(NaN);
    bins.set(poolRow(row, this.axis, "max"));
    this.#rows.push({ index, bins });
    if (this.#rows.length > MOST_ROWS) this.#rows.shift();
  }

  /** The rows as a matrix `[rows, axis.bins]`. */
  matrix(): Float64Array {
    const { bins } = this.axis;
    const values = new Float64Array(this.#rows.length * bins);
    this.#rows.forEach((row, y) => values.set(row.bins.subarray(0, bins), y * bins));
    return values;
  }

  #halve(): void {
    this.#binTokens *= 2;
    const pairs = fixedAxis(MOST_BINS, 2);
    this.#rows = this.#rows.map(({ index, bins }) => {
      const halved = new Float64Array(MOST_BINS).fill(NaN);
      halved.set(poolRow(bins, pairs, "max"));
      return { index, bins: halved };
    });
  }
}
