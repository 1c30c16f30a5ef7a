import { assertEquals } from "@std/assert";
import type { KeyPlan, TilePlan } from "../../ffi/backend.ts";
import { keyPlanPairs, packKeyPlans, packTilePlans, tilePlanPairs } from "../../ffi/pack_plans.ts";

const ints = (...values: number[]) => Int32Array.from(values);

const plan: TilePlan = {
  tileQ: 2,
  tileK: 32,
  rowPtr: ints(0, 1, 3),
  keyStart: ints(0, 0, 32),
  kind: ints(0, 2, 1),
  colPtr: ints(0, 1, 1),
  columns: ints(40),
  masks: ints(5, 6),
};
const empty: TilePlan = {
  tileQ: 4,
  tileK: 64,
  rowPtr: ints(0, 0),
  keyStart: ints(),
  kind: ints(),
  colPtr: ints(0, 0),
  columns: ints(),
  masks: ints(),
};

/** Reads a packed buffer as the C header describes it. */
function unpack(packed: Int32Array, heads: number): TilePlan[] {
  return Array.from({ length: heads }, (_, head) => {
    const at = 1 + heads + 9 * packed[1 + head]!;
    const [tileQ = 0, tileK = 0, rowTiles = 0, ...offsets] = packed.subarray(at, at + 9);
    const part = (i: number, length: number) => packed.slice(offsets[i], offsets[i]! + length);
    const [rowPtr, colPtr] = [part(0, rowTiles + 1), part(3, rowTiles + 1)];
    const tiles = rowPtr[rowTiles]!;
    const [keyStart, kind] = [part(1, tiles), part(2, tiles)];
    const masks = Math.max(0, ...kind.map((value) => value - 1));
    const maskWords = masks * tileQ * (tileK / 32);
    const columns = part(4, colPtr[rowTiles]!);
    return { tileQ, tileK, rowPtr, keyStart, kind, colPtr, columns, masks: part(5, maskWords) };
  });
}

Deno.test("packTilePlans() writes records that the header's layout gives back", () => {
  const plans = [plan, empty, plan];
  assertEquals(unpack(packTilePlans(plans), 3), plans);
});

Deno.test("packTilePlans() writes a plan that heads share once", () => {
  const packed = packTilePlans([plan, plan, plan]);
  assertEquals([...packed.subarray(0, 4)], [1, 0, 0, 0]);
  assertEquals(packed.length, packTilePlans([plan]).length + 2);
});

Deno.test("packKeyPlans() writes pointers in pairs and in keys", () => {
  const plans: KeyPlan[] = [
    { ranges: ints(0, 4, 8, 9), indices: ints(6) },
    { ranges: ints(), indices: ints() },
    { ranges: ints(1, 2), indices: ints(7, 8) },
  ];
  assertEquals(packKeyPlans(plans), {
    rangePtr: ints(0, 2, 2, 3),
    ranges: ints(0, 4, 8, 9, 1, 2),
    indexPtr: ints(0, 1, 1, 3),
    indices: ints(6, 7, 8),
  });
});

Deno.test("tilePlanPairs() and keyPlanPairs() count what a kernel computes", () => {
  assertEquals(tilePlanPairs([plan, empty]), 3 * 2 * 32 + 2);
  assertEquals(keyPlanPairs({ ranges: ints(0, 4, 8, 9), indices: ints(6) }), 6);
});
