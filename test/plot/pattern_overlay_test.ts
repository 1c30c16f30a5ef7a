import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { lower } from "../../lib/attention/lower.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { mapGrid } from "../../lib/plot/map/map_grid.ts";
import { patternOverlay, type PlanValue } from "../../lib/plot/pattern_overlay.ts";
import { kindName } from "../../lib/plot/pattern/kind_name.ts";
import { markKept } from "../../lib/plot/pattern/kept_keys.ts";
import { keptShares } from "../../lib/plot/pattern/kept_shares.ts";
import { keysOfRow, sees } from "../attention/brute_force.ts";
import { headPlans } from "../attention/plans_arbitrary.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { madeMatrix, pooledMap } from "./made_attention.ts";

function kept(plan: PlanValue, query: number, first = 0): number[] {
  const keys = new Uint8Array(query + 1);
  markKept(plan, query, first, keys);
  return [...keys];
}

Deno.test("patternOverlay() of the gallery is as it was looked at", async () => {
  await assertGolden("pattern_overlay.svg", await galleryFigures().patternOverlay!.svg());
});

Deno.test("markKept() marks exactly the keys of a plan", () => {
  fc.assert(
    fc.property(headPlans, fc.nat(320), (plan: HeadPlan, query) => {
      const expected = Array.from(
        { length: query + 1 },
        (_, key) => sees(plan, query, key) ? 1 : 0,
      );
      assertEquals(kept(plan, query), expected);
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("markKept() marks the tiles and columns that a kernel computes around diagonals", () => {
  const rising = fc.uniqueArray(fc.nat(700), { maxLength: 30 })
    .map((values) => values.sort((a, b) => a - b));
  const chunk = fc.record({ qStart: fc.nat(300), qLen: fc.integer({ min: 1, max: 300 }) });
  const covers = fc.constantFrom("tiles" as const, "blocks" as const);
  fc.assert(
    fc.property(rising, rising, chunk, covers, (vertical, slash, { qStart, qLen }, cover) => {
      const plan = { kind: "verticalSlash", vertical, slash, cover } as const;
      const kvLen = qStart + qLen;
      const tiles = lower(plan, qStart, qLen, kvLen);
      for (let row = 0; row < qLen; row += 17) {
        const query = qStart + row;
        const computed = keysOfRow(tiles, qStart, row, kvLen).slice(0, query + 1);
        assertEquals(kept(plan, query, qStart), computed);
      }
    }),
    { numRuns: 60, seed: 2 },
  );
});

Deno.test("keptShares() equals shares counted pair by pair, plans of chunks apart", () => {
  fc.assert(
    fc.property(
      headPlans,
      headPlans,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 39 }),
      (one, two, bins, at) => {
        const grid = mapGrid(madeMatrix(40, 40), bins);
        const { shares, pairs } = keptShares(grid, [{ first: 0, plan: one }, {
          first: at,
          plan: two,
        }]);
        const [held, all] = [new Float64Array(shares.length), new Float64Array(shares.length)];
        for (let query = 0; query < 40; query++) {
          for (let key = 0; key <= query; key++) {
            const cell = grid.queries.binOf(query) * grid.keys.bins + grid.keys.binOf(key);
            all[cell]!++;
            held[cell]! += Number(sees(query < at ? one : two, query, key));
          }
        }
        shares.forEach((share, cell) =>
          assertAlmostEquals(share, all[cell] === 0 ? 0 : held[cell]! / all[cell]!, 1e-12)
        );
        const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
        assertAlmostEquals(pairs, sum(held) / sum(all), 1e-12);
      },
    ),
    { numRuns: 60, seed: 3 },
  );
});

Deno.test("keptShares() of a long text looks at some queries of each row, and comes near", () => {
  const [bins, tokens] = [256, 16_384];
  const zeros = new Float32Array(bins * bins);
  const data = { layer: 0, head: 0, tokens, bins, mean: zeros, max: zeros };
  const plan = { kind: "streaming", sink: 256, window: 1024 } as const;
  const { pairs } = keptShares(mapGrid(data, bins), [{ first: 0, plan }]);
  const all = tokens * (tokens + 1) / 2;
  const far = tokens - 1280;
  const missed = far * (far + 1) / 2;
  assertAlmostEquals(pairs, 1 - missed / all, 0.002);
});

Deno.test("patternOverlay() tells mass and tiles in its title, measured or counted", () => {
  const map = pooledMap(madeMatrix(64, 64), 32);
  const plan = { kind: "streaming", sink: 4, window: 16 } as const;
  const measured = patternOverlay(map, plan, { name: "a-shape", mass: 0.9631, tileShare: 0.123 });
  assertMatch(
    measured.text,
    /^Attention of layer 1, head 2 by a-shape: 96\.3 % of the mass on 12 % of the tiles: /,
  );
  assertMatch(measured.text, /plan: computes 12 % of the tiles; plan: misses 3\.7 % of the mass;/);
  assertMatch(
    patternOverlay(map, plan).text,
    /^Attention of layer 1, head 2 by sink and window: [\d.]+ % of the mass on \d+ % of the pairs: /,
  );
  assertMatch(
    patternOverlay(map, { kind: "dense" }).text,
    /by dense: 100 % of the mass on 100 % of the pairs/,
  );
});

Deno.test("patternOverlay() fades what is not kept, or draws a line around what is", async () => {
  const map = pooledMap(madeMatrix(64, 64), 32);
  const plan = { kind: "streaming", sink: 4, window: 16 } as const;
  const layers = async (look: "dim" | "outline") =>
    [...parsed(await patternOverlay(map, plan, { look }).svg()).querySelectorAll(".ll-plan")]
      .length;
  assertEquals([await layers("dim"), await layers("outline")], [2, 1]);
});

Deno.test("patternOverlay() draws a map of which nothing is known", async () => {
  const values = new Float32Array(16).fill(NaN);
  const figure = patternOverlay({ rows: 4, columns: 4, values }, { kind: "dense" });
  assertMatch(figure.text, /- of the mass on 100 % of the pairs/);
  assert(!(await figure.svg()).includes("NaN"));
});

Deno.test("kindName() names each kind once", () => {
  const streaming = { kind: "streaming", sink: 1, window: 2 } as const;
  const split = { kind: "split", at: 3, before: streaming, after: { kind: "dense" } } as const;
  assertEquals(kindName([split, streaming]), "sink and window + dense");
});

Deno.test("patternOverlay() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const map = madeMatrix(6, 6);
      const tokens = Array<string>(6).fill(text);
      await assertInert(patternOverlay(map, { kind: "dense" }, { name: text, tokens }));
      await assertInert(patternOverlay(map, { kind: "dense" }, { title: text }));
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("patternOverlay() names what is wrong", () => {
  const map = madeMatrix(6, 6);
  const dense = { kind: "dense" } as const;
  assertThrows(
    () => patternOverlay(map, { kind: "magic" } as unknown as PlanValue),
    RangeError,
    "Cannot draw the plan as its kind is unknown: current value is magic",
  );
  assertThrows(() => patternOverlay(map, []), RangeError, "rows must be >= 1: current value is 0");
  assertThrows(
    () => patternOverlay(map, [{ first: 2, plan: dense }]),
    RangeError,
    "its first rows must begin at or before query 0: current value is 2",
  );
  assertThrows(
    () => patternOverlay(map, [{ first: 0, plan: dense }, { first: 0, plan: dense }]),
    RangeError,
    "first must be rising whole numbers >= 0: current value is 0",
  );
  assertThrows(
    () => patternOverlay(map, dense, { mass: 1.2 }),
    RangeError,
    "mass must be 0 .. 1: current value is 1.2",
  );
  assertThrows(
    () => patternOverlay(map, dense, { tileShare: -1 }),
    RangeError,
    "tileShare must be a finite number >= 0: current value is -1",
  );
});
