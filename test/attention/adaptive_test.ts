import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { lower } from "../../lib/attention/lower.ts";
import { methods } from "../../lib/attention/methods.ts";
import { tileArea } from "../../lib/attention/tile_area.ts";
import { meanOf, type PlannedChunk, planText } from "./adaptive_text.ts";
import { prefillContext } from "./contexts.ts";

/** Sums of f32 against float64. */
const TOLERANCE = 1e-4;

const text = (length: number, chunk: number) =>
  fc.record({
    seed: fc.nat(1000),
    length: fc.constant(length),
    chunk: fc.constant(chunk),
    sink: fc.double({ min: 0, max: 3, noNaN: true }),
    near: fc.double({ min: 0, max: 5, noNaN: true }),
  });

const isSparse = ({ plan }: PlannedChunk) => plan.kind !== "dense";

Deno.test("adaptive() keeps at least the target on the rows that it looked at", async () => {
  const kinds = new Map<string, number>();
  const property = fc.asyncProperty(
    text(640, 320),
    fc.constantFrom(0.8, 0.95),
    async (one, mass) => {
      for (const chunk of await planText(methods.adaptive({ mass, probe: 1 }), one)) {
        const { plan, claim, looked, kept } = chunk;
        kinds.set(plan.kind, (kinds.get(plan.kind) ?? 0) + 1);
        if (!isSparse(chunk) || claim.kind === "carried") continue;
        assertGreaterOrEqual(looked.length, 48);
        assertGreaterOrEqual(meanOf(looked.map((row) => kept[row]!)), mass - TOLERANCE);
      }
    },
  );
  await fc.assert(property, { numRuns: 25, seed: 5 });
  for (const kind of ["dense", "verticalSlash"]) assert(kinds.has(kind), kind);
});

Deno.test("adaptive() certifies no more than is kept, and only where every row was looked at", async () => {
  let certified = 0;
  const property = fc.asyncProperty(text(528, 48), async (one) => {
    for (const chunk of await planText(methods.adaptive({ mass: 0.9, probe: 1 }), one)) {
      const { claim, looked, kept } = chunk;
      if (claim.kind !== "certified") continue;
      assertLessOrEqual(claim.mass, meanOf(kept));
      assertAlmostEquals(claim.mass, meanOf(kept), TOLERANCE);
      if (!isSparse(chunk)) continue;
      certified++;
      assertEquals(new Set(looked).size, kept.length);
    }
  });
  await fc.assert(property, { numRuns: 10, seed: 5 });
  assertGreater(certified, 5);
});

Deno.test("adaptive() estimates an interval that holds the mass that is kept, in 9 of 10 cases at least", async () => {
  let [right, all] = [0, 0];
  for (let seed = 0; seed < 60; seed++) {
    const [sink, near] = [3 * (seed % 5) / 4, 1 + 3 * (seed % 7) / 6];
    const one = { seed, length: 768, chunk: 384, sink, near };
    for (const { claim, kept } of await planText(methods.adaptive({ mass: 0.9, probe: 1 }), one)) {
      if (claim.kind !== "estimated") continue;
      all++;
      if (claim.low <= meanOf(kept) && meanOf(kept) <= claim.high) right++;
    }
  }
  assertGreater(all, 40);
  assertGreaterOrEqual(right / all, 0.9);
});

Deno.test("adaptive() goes on with a plan that it cannot afford to look at again, and says so", async () => {
  const one = { seed: 3, length: 1280, chunk: 128, sink: 3, near: 3 };
  const chunks = await planText(methods.adaptive({ mass: 0.9, probe: 0.5 }), one);
  const looked = chunks.map(({ looked }) => looked.length > 0);
  assertEquals([looked[0], looked.includes(true)], [false, true]);
  const first = looked.indexOf(true);
  for (const { claim } of chunks.slice(0, first)) assertEquals(claim.why, "not looked");
  let from = 0;
  for (const [x, { context, claim, plan }] of chunks.entries()) {
    if (looked[x]) from = context.qStart;
    if (x < first || plan.kind === "dense") continue;
    assertEquals([claim.kind, claim.from], [looked[x] ? "estimated" : "carried", from]);
  }
  assert(chunks.some(({ claim }) => claim.kind === "carried"));
});

Deno.test("adaptive() tells the tile area that is computed", async () => {
  const one = { seed: 8, length: 900, chunk: 300, sink: 2, near: 4 };
  for (const { context, plan, claim } of await planText(methods.adaptive({ probe: 1 }), one)) {
    const { qStart, qLen, kvLength } = context;
    const area = (plan: Parameters<typeof lower>[0]) =>
      tileArea(lower(plan, qStart, qLen, kvLength));
    assertAlmostEquals(claim.tileShare, area(plan) / area({ kind: "dense" }), 1e-9);
  }
});

Deno.test("adaptive() looks at no more than it may", async () => {
  const one = { seed: 1, length: 2048, chunk: 256, sink: 0, near: 0 };
  const chunks = await planText(methods.adaptive({ mass: 0.999, probe: 0.3 }), one);
  let [spent, dense] = [0, 0];
  for (const { context: { kvLength, qLen }, looked, plan } of chunks) {
    assertEquals(plan.kind, "dense");
    spent += looked.length * kvLength;
    dense += qLen * kvLength;
    assertLessOrEqual(spent, 0.3 * dense);
  }
  assertGreater(spent, 0);
});

Deno.test("adaptive() is dense without looking at short prompts and at layers with a window", async () => {
  const refuse = () => {
    throw new Error("Cannot look");
  };
  const estimates = {
    verticalSlash: refuse,
    blockScores: refuse,
    antidiagonalScores: refuse,
  };
  const short = prefillContext({ qLen: 1024, heads: [0, 2] }, estimates);
  const [first, second] = await methods.adaptive().planPrefill(short);
  assert(first === second && first?.kind === "dense");
  assertEquals([first.claim?.kind, first.claim?.why], ["certified", "not looked"]);
  const windowed = prefillContext({ qStart: 90_000, qLen: 9000, window: 512 }, estimates);
  const [plan] = await methods.adaptive().planPrefill(windowed);
  assert(plan?.kind === "dense");
  assertEquals(plan.claim?.why, "window");
});

Deno.test("adaptive() refuses options that are no shares", () => {
  for (const name of ["mass", "probe", "most"]) {
    for (const value of [-0.1, 1.1, NaN]) {
      const make = () => methods.adaptive({ [name]: value });
      assertThrows(make, RangeError, `${name} must be 0 .. 1: current value is ${value}`);
    }
  }
});
