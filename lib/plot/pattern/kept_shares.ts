import { isFuture, type MapGrid } from "../map/map_grid.ts";
import { markKept } from "./kept_keys.ts";
import type { PlannedRows } from "./plan_value.ts";

/** Query-key pairs that are looked at, about; of larger maps only some queries of each row are. */
const MOST_PAIRS = 2 ** 23;

/** What plans keep of a map. */
export interface KeptShares {
  /** Share of the pairs of each cell, `[queries.bins, keys.bins]`. */
  readonly shares: Float64Array;
  /** Share of all pairs of a query and a key at or before it. */
  readonly pairs: number;
}

/**
 * Counts what plans keep, query by query.
 *
 * @throws {RangeError} when they do not begin with the first query and go on from there
 */
export function keptShares(grid: MapGrid, rows: readonly PlannedRows[]): KeptShares {
  checkRows(rows, grid.firstQuery);
  const { queries, keys } = grid;
  const shares = new Float64Array(queries.bins * keys.bins);
  const marks = new Uint8Array(keys.tokens);
  const starts = Int32Array.from({ length: keys.bins + 1 }, (_, column) => keys.firstOf(column));
  let [kept, pairs] = [0, 0];
  for (let row = 0; row < queries.bins; row++) {
    const sample = sampleOf(grid, row);
    const counts = new Float64Array(keys.bins);
    for (const query of sample) {
      const { first, plan } = rows.findLast(({ first }) => first <= query)!;
      markKept(plan, query, first, marks);
      addCounts(marks, starts, query, counts);
      marks.fill(0, 0, query + 1);
    }
    const size = (queries.firstOf(row + 1) - queries.firstOf(row)) / sample.length;
    for (let column = 0; column < keys.bins && !isFuture(grid, row, column); column++) {
      const seen = sample.reduce((sum, query) => sum + seenKeys(grid, query, column), 0);
      shares[row * keys.bins + column] = seen === 0 ? 0 : counts[column]! / seen;
      kept += size * counts[column]!;
      pairs += size * seen;
    }
  }
  return { shares, pairs: kept / pairs };
}

/** Adds the marked keys `0 .. query` to their columns; `starts` has the first key of each. */
function addCounts(
  marks: Uint8Array,
  starts: Int32Array,
  query: number,
  counts: Float64Array,
): void {
  for (let column = 0; starts[column]! <= query && column < counts.length; column++) {
    const end = Math.min(query + 1, starts[column + 1]!);
    let count = 0;
    for (let key = starts[column]!; key < end; key++) count += marks[key]!;
    counts[column]! += count;
  }
}

/** Keys of a column that a query sees. */
function seenKeys({ keys }: MapGrid, query: number, column: number): number {
  return Math.max(0, Math.min(query + 1, keys.firstOf(column + 1)) - keys.firstOf(column));
}

/** Queries of a row that stand for all of them, the last one among them. */
function sampleOf({ queries, keys, firstQuery }: MapGrid, row: number): number[] {
  const [start, end] = [queries.firstOf(row), queries.firstOf(row + 1)];
  const most = Math.max(1, Math.floor(MOST_PAIRS / (keys.tokens * queries.bins)));
  const step = Math.ceil((end - start) / most);
  const sample: number[] = [];
  for (let query = end - 1; query >= start; query -= step) sample.push(firstQuery + query);
  return sample;
}

function checkRows(rows: readonly PlannedRows[], firstQuery: number): void {
  if (rows.length === 0) {
    throw new RangeError("Cannot draw the plan as rows must be >= 1: current value is 0");
  }
  if (!(rows[0]!.first <= firstQuery)) {
    throw new RangeError(
      `Cannot draw the plan as its first rows must begin at or before query ${firstQuery}: ` +
        `current value is ${rows[0]!.first}`,
    );
  }
  rows.forEach(({ first }, i) => {
    if (Number.isSafeInteger(first) && first >= 0 && !(first <= (rows[i - 1]?.first ?? -1))) return;
    throw new RangeError(
      `Cannot draw the plan as first must be rising whole numbers >= 0: current value is ${first}`,
    );
  });
}
