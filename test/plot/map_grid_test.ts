import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { AttentionMap } from "../../lib/engine/map.ts";
import {
  type AttentionMatrix,
  effectiveColumns,
  isFuture,
  type MapGrid,
  mapGrid,
  massShare,
  type PooledAttention,
  receivedWeights,
} from "../../lib/plot/map/map_grid.ts";
import { madeMatrix, pooledMap } from "./made_attention.ts";

const shapes = fc.tuple(
  fc.integer({ min: 1, max: 24 }),
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 1, max: 30 }),
).map(([rows, before, bins]) => ({ matrix: madeMatrix(rows, rows + before, rows), bins }));

/** Queries and keys of a cell that see each other. */
function pairsOf(grid: MapGrid, row: number, column: number): [query: number, key: number][] {
  const pairs: [number, number][] = [];
  for (let query = grid.queries.firstOf(row); query < grid.queries.firstOf(row + 1); query++) {
    for (let key = grid.keys.firstOf(column); key < grid.keys.firstOf(column + 1); key++) {
      if (key <= grid.firstQuery + query) pairs.push([query, key]);
    }
  }
  return pairs;
}

Deno.test("a matrix is pooled as session.map() pools", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (tokens, most) => {
        const matrix = madeMatrix(tokens, tokens, tokens);
        const grid = mapGrid(matrix, most);
        const right = pooledMap(matrix, grid.keys.bins);
        Array.from(grid.mean).forEach((mass, cell) =>
          assertAlmostEquals(mass, right.mean[cell]!, 1e-5)
        );
        assertEquals(Array.from(grid.max), Array.from(right.max));
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("a map of session.map() is taken as it is", () => {
  const map: AttentionMap = {
    layer: 3,
    head: 1,
    tokens: 5,
    bins: 2,
    mean: Float32Array.of(1, 0, 0.5, 0.5),
    max: Float32Array.of(1, 0, 0.4, 0.6),
  };
  const pooled: PooledAttention = map;
  const grid = mapGrid(pooled, 512);
  assertEquals([grid.mean, grid.max], [map.mean, map.max]);
  assertEquals([grid.keys.tokens, grid.keys.bins, grid.firstQuery], [5, 2, 0]);
  assertEquals(grid.title, "Attention of layer 3, head 1");
});

Deno.test("isFuture() is true where no query of the cell sees a key of it", () => {
  fc.assert(
    fc.property(shapes, ({ matrix, bins }) => {
      const grid = mapGrid(matrix, bins);
      for (let row = 0; row < grid.queries.bins; row++) {
        for (let column = 0; column < grid.keys.bins; column++) {
          assertEquals(isFuture(grid, row, column), pairsOf(grid, row, column).length === 0);
        }
      }
    }),
    { numRuns: 80, seed: 2 },
  );
});

Deno.test("receivedWeights() is the mean over the pairs that see each other", () => {
  fc.assert(
    fc.property(shapes, ({ matrix, bins }) => {
      const grid = mapGrid(matrix, bins);
      receivedWeights(grid).forEach((weight, column) => {
        const rows = Array.from({ length: grid.queries.bins }, (_, row) => row);
        const pairs = rows.flatMap((row) => pairsOf(grid, row, column));
        const sum = pairs.reduce((a, [q, k]) => a + matrix.values[q * matrix.columns + k]!, 0);
        assertAlmostEquals(weight, sum / pairs.length, 1e-5);
      });
    }),
    { numRuns: 80, seed: 3 },
  );
});

Deno.test("effectiveColumns() is 1 for one key, n for n equal keys, and ignores what is left out", () => {
  const matrix: AttentionMatrix = {
    rows: 2,
    columns: 5,
    values: Float64Array.of(0, 1, 0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.2),
  };
  const grid = mapGrid(matrix, 512);
  const rounded = (first: number) =>
    [...effectiveColumns(grid, first)].map((n) => Number(n.toFixed(9)));
  assertEquals(rounded(0), [1, 5]);
  assertEquals(rounded(1), [1, 4]);
  assertEquals(rounded(2), [NaN, 3]);
});

Deno.test("massShare() of everything is 1, of the first column the mean mass there", () => {
  fc.assert(
    fc.property(shapes, ({ matrix, bins }) => {
      const grid = mapGrid(matrix, bins);
      assertAlmostEquals(massShare(grid, () => 1), 1, 1e-5);
      let first = 0;
      for (let row = 0; row < matrix.rows; row++) {
        for (let key = 0; key < grid.keys.firstOf(1); key++) {
          first += matrix.values[row * matrix.columns + key]!;
        }
      }
      const share = massShare(grid, (_, column) => column === 0 ? 1 : 0);
      assertAlmostEquals(share, first / matrix.rows, 1e-5);
    }),
    { numRuns: 80, seed: 4 },
  );
});

Deno.test("mapGrid() refuses numbers that do not fill the map", () => {
  const cases: [data: PooledAttention | AttentionMatrix, message: string][] = [
    [
      { rows: 2, columns: 2, values: [1, 0, 1] },
      "values must hold 2 x 2 numbers: current value is 3",
    ],
    [{ rows: 0, columns: 0, values: [] }, "values must hold 0 x 0 numbers"],
    [
      { layer: 0, head: 0, tokens: 4, bins: 2, mean: [1], max: [1, 0, 1, 0] },
      "mean must hold 2 x 2",
    ],
    [{ layer: 0, head: 0, tokens: 4, bins: 2, mean: [1, 0, 1, 0], max: [] }, "max must hold 2 x 2"],
  ];
  for (const [data, message] of cases) assertThrows(() => mapGrid(data, 8), TypeError, message);
});

Deno.test("mapGrid() refuses a first query behind the keys, more rows than columns, and no bins", () => {
  const data = { rows: 1, columns: 3, values: [1, 0, 0] };
  for (const firstQuery of [-1, 3, 0.5]) {
    assertThrows(
      () => mapGrid({ ...data, firstQuery }, 8),
      RangeError,
      `firstQuery must be 0 .. 2: current value is ${firstQuery}`,
    );
  }
  assertThrows(
    () => mapGrid({ rows: 3, columns: 1, values: [1, 1, 1] }, 8),
    RangeError,
    "rows must be <= columns 1: current value is 3",
  );
  assertThrows(() => mapGrid(data, 0), RangeError, "bins must be a whole number >= 1");
});

Deno.test("mapGrid() refuses mass on keys behind a query, which says that firstQuery is wrong", () => {
  const matrix = madeMatrix(4, 10);
  mapGrid({ ...matrix, firstQuery: 6 }, 512);
  assertThrows(
    () => mapGrid({ ...matrix, firstQuery: 3 }, 512),
    RangeError,
    "query 3 must not attend to key 6 behind it: current value of firstQuery is 3",
  );
});
