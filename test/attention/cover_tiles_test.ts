import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { coverTiles } from "../../lib/attention/cover_tiles.ts";
import type { VerticalSlashPlan } from "../../lib/attention/plan.ts";
import { keysOfRow, sees } from "./brute_force.ts";

/** Starts of tiles and columns of each row tile, as `shared/reference/sparse_reference.py` prints them. */
function listsOf(vertical: number[], slash: number[], length: number): [number[], number[]][] {
  const { rowPtr, keyStart, colPtr, columns } = coverTiles({ vertical, slash }, "tiles", 0, length);
  return Array.from({ length: rowPtr.length - 1 }, (_, row) => [
    [...keyStart.subarray(rowPtr[row], rowPtr[row + 1])],
    [...columns.subarray(colPtr[row], colPtr[row + 1])],
  ]);
}

Deno.test("coverTiles() gives the lists of MInference's conversion", () => {
  assertEquals(listsOf([0, 1, 2, 70, 200], [0, 1, 64, 128], 256), [
    [[0], []],
    [[0, 64], []],
    [[0, 64, 128], []],
    [[64, 128, 192], [0, 1, 2]],
  ]);
  assertEquals(listsOf([0, 1, 2, 3, 150], [0, 3, 70, 100, 190], 320), [
    [[0], []],
    [[0, 64], []],
    [[0, 64, 128], []],
    [[2, 92, 156, 220], [0, 1]],
    [[66, 156, 220, 284], [0, 1, 2, 3, 150]],
  ]);
});

const rising = fc.uniqueArray(fc.nat(500), { maxLength: 60 })
  .map((values) => values.sort((a, b) => a - b));

Deno.test("coverTiles() holds every key of the plan, none twice, none after the query", () => {
  fc.assert(
    fc.property(
      rising,
      rising,
      fc.nat(300),
      fc.integer({ min: 1, max: 200 }),
      fc.constantFrom("tiles" as const, "blocks" as const),
      (vertical, slash, qStart, qLen, cover) => {
        const plan: VerticalSlashPlan = { kind: "verticalSlash", vertical, slash };
        const tiles = coverTiles(plan, cover, qStart, qLen);
        for (let row = 0; row < qLen; row++) {
          const counts = keysOfRow(tiles, qStart, row, qStart + qLen);
          for (const [key, count] of counts.entries()) {
            assert(count <= 1, `key ${key} of row ${row} is held ${count} times`);
            if (sees(plan, qStart + row, key)) assert(count === 1, `key ${key} of row ${row}`);
            if (key > qStart + row) assert(count === 0, `row ${row} sees key ${key}`);
          }
          assertEquals(counts[qStart + row], 1);
        }
      },
    ),
    { numRuns: 120, seed: 1 },
  );
});

Deno.test("coverTiles() by blocks holds those that keys of a diagonal lie in, and no others", () => {
  fc.assert(
    fc.property(rising, fc.nat(300), fc.integer({ min: 1, max: 200 }), (slash, qStart, qLen) => {
      const tiles = coverTiles({ vertical: [], slash }, "blocks", qStart, qLen);
      for (let first = 0; first < qLen; first += 64) {
        const [start, last] = [qStart + first, qStart + Math.min(first + 64, qLen)];
        const expected = new Set<number>();
        for (const distance of [0, ...slash]) {
          for (let query = start; query < start + 64; query++) {
            const block = Math.floor((query - distance) / 32);
            if (block >= 0 && block * 32 < last) expected.add(block * 32);
          }
        }
        const [from, to] = [tiles.rowPtr[first / 64], tiles.rowPtr[first / 64 + 1]];
        assertEquals([...tiles.keyStart.subarray(from, to)], [...expected].sort((a, b) => a - b));
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});
