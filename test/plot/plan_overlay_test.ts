import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { isFuture, type MapGrid, mapGrid } from "../../lib/plot/map/map_grid.ts";
import { coverageOf, type PlanTile } from "../../lib/plot/map/plan_overlay.ts";
import { overlayUri } from "../../lib/plot/map/plan_picture.ts";
import { madeMatrix } from "./made_attention.ts";
import { readPng } from "./read_png.ts";

const span = (max: number) =>
  fc.tuple(fc.integer({ min: 0, max }), fc.integer({ min: 0, max }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

/** Tiles of different queries, so that they do not overlap. */
const plans = fc.record({
  rows: fc.integer({ min: 1, max: 16 }),
  before: fc.integer({ min: 0, max: 8 }),
  bins: fc.integer({ min: 1, max: 20 }),
  tiles: fc.array(span(30), { maxLength: 4 }),
  height: fc.integer({ min: 1, max: 9 }),
}).map(({ rows, before, bins, tiles, height }) => ({
  matrix: madeMatrix(rows, rows + before, rows),
  bins,
  tiles: tiles.map((keys, i): PlanTile => ({
    queries: [before + i * height - 1, before + (i + 1) * height - 1],
    keys,
  })),
}));

function isComputed(tiles: readonly PlanTile[], query: number, key: number): boolean {
  return tiles.some(({ queries, keys }) =>
    query >= queries[0] && query < queries[1] && key >= keys[0] && key < keys[1]
  );
}

/** Share of the pairs of a cell that are computed, one by one. */
function bruteShare(
  grid: MapGrid,
  tiles: readonly PlanTile[],
  row: number,
  column: number,
): number {
  let [computed, pairs] = [0, 0];
  for (let q = grid.queries.firstOf(row); q < grid.queries.firstOf(row + 1); q++) {
    const query = grid.firstQuery + q;
    for (let key = grid.keys.firstOf(column); key < grid.keys.firstOf(column + 1); key++) {
      if (key > query) continue;
      pairs++;
      if (isComputed(tiles, query, key)) computed++;
    }
  }
  return pairs === 0 ? 0 : computed / pairs;
}

Deno.test("shares of tiles equal those counted pair by pair", () => {
  fc.assert(
    fc.property(plans, ({ matrix, bins, tiles }) => {
      const grid = mapGrid(matrix, bins);
      coverageOf(grid, { tiles }).shares.forEach((share, cell) => {
        const [row, column] = [Math.floor(cell / grid.keys.bins), cell % grid.keys.bins];
        assertAlmostEquals(share, bruteShare(grid, tiles, row, column), 1e-9);
      });
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("the missed mass of an unpooled map equals the mass outside the plan, query by query", () => {
  fc.assert(
    fc.property(plans, ({ matrix, tiles }) => {
      const grid = mapGrid(matrix, 512);
      let missed = 0;
      for (let row = 0; row < matrix.rows; row++) {
        for (let key = 0; key <= grid.firstQuery + row; key++) {
          if (isComputed(tiles, grid.firstQuery + row, key)) continue;
          missed += matrix.values[row * matrix.columns + key]!;
        }
      }
      assertAlmostEquals(coverageOf(grid, { tiles }).missed, missed / matrix.rows, 1e-5);
    }),
    { numRuns: 100, seed: 2 },
  );
});

Deno.test("a plan of everything misses nothing, a plan of nothing all, and both say so", () => {
  const grid = mapGrid(madeMatrix(20, 20), 7);
  const all = coverageOf(grid, { tiles: [{ queries: [0, 20], keys: [0, 20] }] });
  assertEquals([all.missed, all.hatched.includes(1)], [0, false]);
  assertEquals(all.facts[0], "plan: misses 0 % of the mass");
  const none = coverageOf(grid, { tiles: [] });
  assertAlmostEquals(none.missed, 1, 1e-5);
  assertEquals(none.facts[0], "plan: misses 100 % of the mass");
});

Deno.test("a mask of booleans and one of shares count the same", () => {
  const grid = mapGrid(madeMatrix(12, 12), 6);
  const mask = Array.from({ length: 36 }, (_, cell) => cell % 3 !== 1);
  const [booleans, shares] = [mask, mask.map(Number)].map((mask) => coverageOf(grid, { mask }));
  assertEquals(booleans, shares);
  assertEquals([...booleans!.shares], mask.map(Number));
});

Deno.test("cells are hatched where more than tau is missed", () => {
  const grid = mapGrid(madeMatrix(30, 30), 10);
  const mask = new Array(100).fill(0);
  for (const tau of [0, 0.05, 0.3]) {
    const { hatched, facts } = coverageOf(grid, { mask, tau });
    assertEquals(Array.from(hatched), Array.from(grid.mean, (mass) => mass > tau ? 1 : 0));
    assert(facts[1]!.startsWith("hatched: more than "));
  }
});

Deno.test("the caption says that cells computed in part are estimated, unless the missed mass is given", () => {
  const grid = mapGrid(madeMatrix(20, 20), 5);
  const tiles: PlanTile[] = [{ queries: [0, 20], keys: [0, 1] }];
  assert(coverageOf(grid, { tiles }).facts[0]!.includes("count by area"));
  assertEquals(coverageOf(grid, { tiles, missed: 0.25 }).facts[0], "plan: misses 25 % of the mass");
});

Deno.test("coverageOf() refuses a mask of another shape and a plan without mask and tiles", () => {
  const grid = mapGrid(madeMatrix(6, 8), 4);
  assertThrows(
    () => coverageOf(grid, { mask: [1, 0] }),
    TypeError,
    "mask must hold 4 x 4 cells: current value is 2",
  );
  assertThrows(() => coverageOf(grid, {}), TypeError, "must have a mask or tiles");
});

Deno.test("the overlay outlines what is computed from outside and stripes what is missed", async () => {
  const grid = mapGrid(madeMatrix(8, 8), 512);
  // Computed: the first column; missed: row 7, column 4, and no other cell that is open.
  const shares = Float64Array.from({ length: 64 }, (_, cell) => cell % 8 === 0 ? 1 : 0);
  const hatched = new Uint8Array(64);
  hatched[7 * 8 + 4] = 1;
  const coverage = { shares, hatched, missed: 0, look: "outline", facts: [] } as const;
  const { width, height, pixels, palette } = readPng(await overlayUri(grid, coverage));
  assertEquals([width, height], [1200, 1200]);
  assertEquals(palette.map((colour) => colour[3]), [0, 255, 255, 255]);
  const at = (row: number, column: number, y: number, x: number) =>
    pixels[(row * 150 + y) * width + column * 150 + x]!;
  assertEquals([0, 1, 2, 3, 4].map((x) => at(5, 1, 75, x)), [1, 1, 2, 2, 0]);
  const inCell = (row: number, column: number) =>
    new Set(
      Array.from({ length: 150 * 150 }, (_, i) => at(row, column, Math.floor(i / 150), i % 150)),
    );
  assertEquals([...inCell(5, 0)], [0]);
  assertEquals([...inCell(7, 4)].sort(), [0, 3]);
  for (let row = 0; row < 8; row++) {
    for (let column = row + 1; column < 8; column++) {
      if (isFuture(grid, row, column) && row < 6) assertEquals([...inCell(row, column)], [0]);
    }
  }
});

Deno.test("the overlay of a ragged plan of 512 x 512 cells stays below 200 KB", async () => {
  const bins = 512;
  const mean = new Float32Array(bins * bins);
  for (let row = 0; row < bins; row++) mean.fill(1 / (row + 1), row * bins, row * bins + row + 1);
  const grid = mapGrid({ layer: 0, head: 0, tokens: 32_768, bins, mean, max: mean }, bins);
  const mask = Array.from({ length: bins * bins }, (_, cell) => (cell * 7919) % 5 < 2);
  const uri = await overlayUri(grid, coverageOf(grid, { mask, tau: 0.001 }));
  assert(uri.length < 200_000, `${uri.length}`);
});
