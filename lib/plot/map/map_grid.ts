import { type BinAxis, binAxis, poolMatrix } from "../draw/bins.ts";

/** Attention of one head over a text, pooled: what `session.map()` gives. */
export interface PooledAttention {
  /** Layer of the head. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Tokens of the map. */
  readonly tokens: number;
  /** Rows and columns. */
  readonly bins: number;
  /** Mean over the queries of a row bin of the probability on a column bin, `[bins, bins]`. */
  readonly mean: ArrayLike<number>;
  /** Largest single probability in a cell, `[bins, bins]`. */
  readonly max: ArrayLike<number>;
}

/** Attention probabilities of some queries over all keys. */
export interface AttentionMatrix {
  /** Queries. */
  readonly rows: number;
  /** Keys. */
  readonly columns: number;
  /** Probability of each key for each query, `[rows, columns]`. */
  readonly values: ArrayLike<number>;
  /**
   * Position of the first query; a query sees the keys up to its own position.
   * @default columns - rows: the queries are the last tokens
   */
  readonly firstQuery?: number;
  /** Layer of the head, for the title. */
  readonly layer?: number;
  /** Query head, for the title. */
  readonly head?: number;
}

/** A map in bins, whichever way it came. */
export interface MapGrid {
  /** Rows; their tokens start at {@link MapGrid.firstQuery}. */
  readonly queries: BinAxis;
  /** Columns. */
  readonly keys: BinAxis;
  /** Position of the first query. */
  readonly firstQuery: number;
  /** Mean over a row's queries of the mass on a column's keys, `[queries.bins, keys.bins]`. */
  readonly mean: ArrayLike<number>;
  /** Largest probability of a cell, `[queries.bins, keys.bins]`. */
  readonly max: ArrayLike<number>;
  /** "Attention of layer 3, head 1", as far as known. */
  readonly title: string;
}

/** Mass that rounding may put on keys behind a query. */
const ROUNDING = 1e-6;

/**
 * A map in at most `bins` bins an axis; a pooled one keeps its own.
 *
 * @throws {TypeError} when values do not fill the shape
 * @throws {RangeError} when a query attends to a key behind it
 */
export function mapGrid(data: PooledAttention | AttentionMatrix, bins: number): MapGrid {
  const grid = "values" in data ? gridOfMatrix(data, bins) : gridOfPooled(data);
  checkCausal(grid);
  return grid;
}

function gridOfPooled({ layer, head, tokens, bins, mean, max }: PooledAttention): MapGrid {
  const axis = binAxis(tokens, bins);
  checkFilled("mean", mean, axis.bins, axis.bins);
  checkFilled("max", max, axis.bins, axis.bins);
  return { queries: axis, keys: axis, firstQuery: 0, mean, max, title: titleOf(layer, head) };
}

function gridOfMatrix(data: AttentionMatrix, bins: number): MapGrid {
  const { rows, columns, values, layer, head } = data;
  const firstQuery = data.firstQuery ?? columns - rows;
  checkFilled("values", values, rows, columns);
  checkFirstQuery(firstQuery, rows, columns);
  const [queries, keys] = [binAxis(rows, bins), binAxis(columns, bins)];
  const sum = poolMatrix(values, queries, keys, "sum");
  const mean = sum.map((mass, cell) => mass / binSize(queries, Math.floor(cell / keys.bins)));
  const max = poolMatrix(values, queries, keys, "max");
  return { queries, keys, firstQuery, mean, max, title: titleOf(layer, head) };
}

/** Tokens of a bin. */
export function binSize(axis: BinAxis, bin: number): number {
  return axis.firstOf(bin + 1) - axis.firstOf(bin);
}

/** Whether all keys of a column are behind all queries of a row. */
export function isFuture(grid: MapGrid, row: number, column: number): boolean {
  return grid.keys.firstOf(column) >= grid.firstQuery + grid.queries.firstOf(row + 1);
}

/** Pairs of a query and a key at or before it. */
export function causalPairs(
  [q0, q1]: readonly [number, number],
  [k0, k1]: readonly [number, number],
): number {
  const below = Math.max(q0, k1 - 1);
  const full = Math.max(0, q1 - below) * (k1 - k0);
  const [from, to] = [Math.max(q0, k0), Math.min(q1, below)];
  if (from >= to) return full;
  return full + ((from - k0 + 1) + (to - k0)) * (to - from) / 2;
}

/** Pairs of a query and a key at or before it in a cell. */
export function cellPairs(
  { queries, keys, firstQuery }: MapGrid,
  row: number,
  column: number,
): number {
  return causalPairs(
    [firstQuery + queries.firstOf(row), firstQuery + queries.firstOf(row + 1)],
    [keys.firstOf(column), keys.firstOf(column + 1)],
  );
}

/** Mean weight that a key of each column receives from the queries that see it; those that are `NaN` do not count. */
export function receivedWeights(grid: MapGrid): Float64Array {
  const { queries, keys, mean } = grid;
  const [received, pairs] = [new Float64Array(keys.bins), new Float64Array(keys.bins)];
  for (let row = 0; row < queries.bins; row++) {
    const count = binSize(queries, row);
    for (let column = 0; column < keys.bins; column++) {
      if (isFuture(grid, row, column)) break;
      const mass = mean[row * keys.bins + column]!;
      if (Number.isNaN(mass)) continue;
      received[column]! += count * mass;
      pairs[column]! += cellPairs(grid, row, column);
    }
  }
  return received.map((mass, column) => pairs[column] === 0 ? NaN : mass / pairs[column]!);
}

/**
 * How many columns each row spreads its mass over: the exponential of the entropy of its mass over the columns from
 * `first` on. 1 where all is in one column; `NaN` where there is no mass.
 */
export function effectiveColumns({ queries, keys, mean }: MapGrid, first: number): Float64Array {
  return Float64Array.from({ length: queries.bins }, (_, row) => {
    const masses = Array.from(
      { length: keys.bins - first },
      (_, column) => mean[row * keys.bins + first + column]!,
    ).filter((mass) => mass > 0);
    const total = masses.reduce((sum, mass) => sum + mass, 0);
    const entropy = masses.reduce((sum, mass) => sum - mass / total * Math.log(mass / total), 0);
    return total > 0 ? Math.exp(entropy) : NaN;
  });
}

/** Mean over the queries whose mass is known of what `share` takes of it; `NaN` where no query's is. */
export function massShare(grid: MapGrid, share: (row: number, column: number) => number): number {
  const { queries, keys, mean } = grid;
  let [mass, known] = [0, 0];
  for (let row = 0; row < queries.bins; row++) {
    const count = binSize(queries, row);
    let isKnown = false;
    for (let column = 0; column < keys.bins; column++) {
      if (isFuture(grid, row, column)) break;
      const own = mean[row * keys.bins + column]!;
      if (Number.isNaN(own)) continue;
      isKnown = true;
      mass += count * own * share(row, column);
    }
    if (isKnown) known += count;
  }
  return mass / known;
}

function titleOf(layer: number | undefined, head: number | undefined): string {
  const parts = [
    layer === undefined ? "" : `layer ${layer}`,
    head === undefined ? "" : `head ${head}`,
  ];
  const known = parts.filter((part) => part !== "").join(", ");
  return known === "" ? "Attention" : `Attention of ${known}`;
}

function checkFilled(name: string, values: ArrayLike<number>, rows: number, columns: number): void {
  if (rows >= 1 && columns >= 1 && values.length === rows * columns) return;
  throw new TypeError(
    `Cannot draw attention as ${name} must hold ${rows} x ${columns} numbers: current value is ${values.length}`,
  );
}

function checkFirstQuery(firstQuery: number, rows: number, columns: number): void {
  if (rows > columns) {
    throw new RangeError(
      `Cannot draw attention as rows must be <= columns ${columns}: current value is ${rows}`,
    );
  }
  const last = columns - rows;
  if (Number.isSafeInteger(firstQuery) && firstQuery >= 0 && firstQuery <= last) return;
  throw new RangeError(
    `Cannot draw attention as firstQuery must be 0 .. ${last}: current value is ${firstQuery}`,
  );
}

function checkCausal(grid: MapGrid): void {
  const { queries, keys, firstQuery, max } = grid;
  for (let row = 0; row < queries.bins; row++) {
    for (let column = keys.bins - 1; isFuture(grid, row, column); column--) {
      if (!(max[row * keys.bins + column]! > ROUNDING)) continue;
      throw new RangeError(
        `Cannot draw attention as query ${firstQuery + queries.firstOf(row)} must not attend to ` +
          `key ${keys.firstOf(column)} behind it: current value of firstQuery is ${firstQuery}`,
      );
    }
  }
}
