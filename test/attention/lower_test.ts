import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { TILE_CAUSAL, TILE_FULL } from "../../ffi/backend.ts";
import { intersectTiles, lower, unionTiles } from "../../lib/attention/lower.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { keysOfRow, sees } from "./brute_force.ts";
import { headPlans } from "./plans_arbitrary.ts";

const ranges = fc.record({ qStart: fc.nat(200), qLen: fc.integer({ min: 1, max: 150 }) });

function expected(plan: HeadPlan, i: number, kvLen: number): number[] {
  return Array.from({ length: kvLen }, (_, j) => sees(plan, i, j) ? 1 : 0);
}

Deno.test("lower() holds exactly the keys of the plan, each once", () => {
  fc.assert(
    fc.property(headPlans, ranges, (plan, { qStart, qLen }) => {
      const kvLen = qStart + qLen;
      const tiles = lower(plan, qStart, qLen, kvLen);
      for (let row = 0; row < qLen; row += 1 + (row % 5)) {
        assertEquals(keysOfRow(tiles, qStart, row, kvLen), expected(plan, qStart + row, kvLen));
      }
    }),
    { numRuns: 150, seed: 11 },
  );
});

Deno.test("lower() makes full and causal tiles of a dense plan and stores no mask", () => {
  const tiles = lower({ kind: "dense" }, 128, 130, 258);
  assert(tiles.kind.every((kind) => kind === TILE_FULL || kind === TILE_CAUSAL));
  assertEquals(tiles.masks.length, 0);
  assertEquals(tiles.columns.length, 0);
  assertEquals(Array.from(tiles.rowPtr), [0, 3, 7, 12]);
});

Deno.test("lower() skips the tiles outside a streaming plan and shares its masks", () => {
  const tiles = lower({ kind: "streaming", sink: 4, window: 128 }, 0, 4096, 4096);
  assert(tiles.keyStart.length < 64 * 5);
  assert(tiles.masks.length <= 4 * 128);
});

Deno.test("lower() turns few verticals into columns", () => {
  const tiles = lower({ kind: "verticalSlash", vertical: [3, 70], slash: [0] }, 128, 64, 192);
  assertEquals(Array.from(tiles.columns), [3, 70]);
  assertEquals(Array.from(tiles.keyStart), [128]);
});

Deno.test("unionTiles() and intersectTiles() agree with the masks of both plans", () => {
  fc.assert(
    fc.property(headPlans, headPlans, ranges, (a, b, { qStart, qLen }) => {
      const kvLen = qStart + qLen;
      const left = lower(a, qStart, qLen, kvLen);
      const right = lower(b, qStart, qLen, kvLen);
      for (const [kind, join] of [["union", unionTiles], ["intersect", intersectTiles]] as const) {
        const joined = join(left, right, qStart, qLen);
        for (let row = 0; row < qLen; row += 13) {
          const plan: HeadPlan = { kind, plans: [a, b] };
          assertEquals(keysOfRow(joined, qStart, row, kvLen), expected(plan, qStart + row, kvLen));
        }
      }
    }),
    { numRuns: 40, seed: 12 },
  );
});

Deno.test("lower() refuses impossible ranges and plans", () => {
  assertThrows(() => lower({ kind: "dense" }, 0, 10, 9), RangeError, "kvLen must be");
  assertThrows(() => lower({ kind: "dense" }, -1, 10, 9), RangeError, "qStart must be");
  assertThrows(() => lower({ kind: "dense" }, 0, 0, 9), RangeError, "qLen must be");
  const bad: HeadPlan[] = [
    { kind: "streaming", sink: -1, window: 4 },
    { kind: "verticalSlash", vertical: [5, 2], slash: [] },
    { kind: "blockSparse", block: 0, blocks: [] },
    { kind: "union", plans: [] },
    { kind: "other" } as unknown as HeadPlan,
  ];
  for (const plan of bad) assertThrows(() => lower(plan, 0, 8, 8), RangeError, "Cannot plan as");
  const retrieved: HeadPlan = {
    kind: "staticPlusRetrieved",
    sink: 1,
    window: 1,
    index: "exact",
    topK: 1,
    retrieved: [],
  };
  assertThrows(() => lower(retrieved, 0, 8, 8), RangeError, "use lowerRow()");
});
