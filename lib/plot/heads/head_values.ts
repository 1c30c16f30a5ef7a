/** One number a head, in whichever form it comes. */

/** One head's value, as a row. */
export interface HeadValue {
  /** Layer of the head. */
  readonly layer: number;
  /** The head. */
  readonly head: number;
  /** Its value; `null` or `NaN` where it has none. */
  readonly value: number | null;
  /**
   * A second value, shown by the size of a circle.
   * @default none
   */
  readonly size?: number;
  /**
   * A short text in the cell, such as the letter of a head type.
   * @default none
   */
  readonly glyph?: string;
}

/** The values of all heads, as a matrix. */
export interface HeadMatrix {
  /** Layers. */
  readonly layers: number;
  /** Heads a layer. */
  readonly heads: number;
  /** Value of every head, `[layers, heads]`; `NaN` where there is none. */
  readonly values: ArrayLike<number>;
  /**
   * Second values, shown by the size of a circle, `[layers, heads]`.
   * @default none
   */
  readonly sizes?: ArrayLike<number>;
  /**
   * Short texts in the cells, `[layers, heads]`.
   * @default none
   */
  readonly glyphs?: ArrayLike<string>;
}

/** A checked matrix. */
export interface HeadCells {
  /** Layers. */
  readonly layers: number;
  /** Heads a layer. */
  readonly heads: number;
  /** Value of every head, `NaN` where there is none. */
  readonly values: Float64Array;
  /** Second values; `null` where no head has one. */
  readonly sizes: Float64Array | null;
  /** Texts; `null` where no head has one. */
  readonly glyphs: readonly string[] | null;
}

/** Larger numbers of layers or heads are taken for a mistake. */
const MOST = 4096;

/**
 * The matrix of some data.
 *
 * @throws {TypeError} when values do not fill the shape
 * @throws {RangeError} when there are no values, a head occurs twice, or a number is out of range
 */
export function headCells(data: HeadMatrix | readonly HeadValue[]): HeadCells {
  const cells = isRows(data) ? cellsOfRows(data) : cellsOfMatrix(data);
  checkNumbers("value", cells.values, -Infinity);
  if (cells.sizes) checkNumbers("size", cells.sizes, 0);
  return cells;
}

function isRows(data: HeadMatrix | readonly HeadValue[]): data is readonly HeadValue[] {
  return Array.isArray(data);
}

function cellsOfMatrix({ layers, heads, values, sizes, glyphs }: HeadMatrix): HeadCells {
  checkCount("layers", layers, 1);
  checkCount("heads", heads, 1);
  const named = { values, ...(sizes && { sizes }), ...(glyphs && { glyphs }) };
  for (const [name, { length }] of Object.entries(named)) checkFilled(name, length, layers, heads);
  return {
    layers,
    heads,
    values: Float64Array.from(values),
    sizes: sizes ? Float64Array.from(sizes) : null,
    glyphs: glyphs ? Array.from(glyphs) : null,
  };
}

function cellsOfRows(rows: readonly HeadValue[]): HeadCells {
  if (rows.length === 0) {
    throw new RangeError("Cannot draw heads as there must be >= 1 of them: current value is 0");
  }
  const [layers, heads] = [countOf("layer", rows), countOf("head", rows)];
  const values = new Float64Array(layers * heads).fill(NaN);
  const sizes = new Float64Array(values.length).fill(NaN);
  const glyphs = Array<string>(values.length).fill("");
  const seen = new Set<number>();
  for (const { layer, head, value, size = NaN, glyph = "" } of rows) {
    const cell = layer * heads + head;
    if (seen.has(cell)) throw twice(layer, head);
    seen.add(cell);
    [values[cell], sizes[cell], glyphs[cell]] = [value ?? NaN, size, glyph];
  }
  return {
    layers,
    heads,
    values,
    sizes: rows.some(({ size }) => size !== undefined) ? sizes : null,
    glyphs: rows.some(({ glyph }) => glyph !== undefined) ? glyphs : null,
  };
}

function countOf(name: "layer" | "head", rows: readonly HeadValue[]): number {
  let count = 0;
  for (const row of rows) {
    checkCount(name, row[name], 0);
    count = Math.max(count, row[name] + 1);
  }
  return count;
}

function twice(layer: number, head: number): RangeError {
  return new RangeError(
    `Cannot draw heads as each must occur once: layer ${layer}, head ${head} occurs again`,
  );
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= MOST) return;
  throw new RangeError(
    `Cannot draw heads as ${name} must be a whole number ${least} .. ${MOST}: current value is ${value}`,
  );
}

function checkFilled(name: string, length: number, layers: number, heads: number): void {
  if (length === layers * heads) return;
  throw new TypeError(
    `Cannot draw heads as ${name} must hold ${layers} x ${heads} entries: current value is ${length}`,
  );
}

function checkNumbers(name: string, values: Float64Array, least: number): void {
  const wrong = values.find((value) => Math.abs(value) === Infinity || value < least);
  if (wrong === undefined) return;
  const wanted = least === 0 ? "a finite number >= 0" : "a finite number";
  throw new RangeError(
    `Cannot draw heads as a ${name} must be ${wanted} or NaN: current value is ${wrong}`,
  );
}
