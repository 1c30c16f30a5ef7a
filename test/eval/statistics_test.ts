import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bootstrapDifference,
  newcombeDifference,
  pairedDifference,
  wilson,
} from "../../lib/eval/statistics.ts";

interface Expected {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

/** Written by fixtures/make_statistics.py. */
const FIXTURE: {
  readonly wilson: readonly { right: number; count: number; low: number; high: number }[];
  readonly pairs:
    readonly (Expected & { cells: [number, number, number, number]; tango?: number[] })[];
  readonly bootstrap: readonly (Expected & { first: number[]; second: number[] })[];
} = JSON.parse(
  await Deno.readTextFile(new URL("fixtures/statistics.json", import.meta.url)),
);

Deno.test("wilson() agrees with statsmodels", () => {
  for (const { right, count, low, high } of FIXTURE.wilson) {
    const interval = wilson(right, count);
    assertAlmostEquals(interval.low, low, 1e-12, `${right} of ${count}`);
    assertAlmostEquals(interval.high, high, 1e-12, `${right} of ${count}`);
  }
});

Deno.test("wilson() of nothing says nothing and refuses more than all", () => {
  assertEquals(wilson(0, 0), { low: 0, high: 1 });
  assertThrows(() => wilson(3, 2), RangeError, "current value is 3");
});

Deno.test("newcombeDifference() agrees with the fixture, and nearly with Tango's interval", () => {
  for (const { cells, difference, low, high, tango } of FIXTURE.pairs) {
    const found = newcombeDifference(...cells);
    assertAlmostEquals(found.difference, difference, 1e-12, `${cells}`);
    assertAlmostEquals(found.low, low, 1e-9, `${cells}`);
    assertAlmostEquals(found.high, high, 1e-9, `${cells}`);
    if (!tango) continue;
    assertAlmostEquals(found.low, tango[0]!, 0.01, `${cells}`);
    assertAlmostEquals(found.high, tango[1]!, 0.01, `${cells}`);
  }
});

Deno.test("newcombeDifference() gives the interval that Newcombe printed for 36, 12, 2, 0", () => {
  const { low, high } = newcombeDifference(36, 12, 2, 0);
  assertEquals([low.toFixed(4), high.toFixed(4)], ["0.0569", "0.3404"]);
});

Deno.test("bootstrapDifference() agrees with scipy's and repeats itself", () => {
  for (const { first, second, difference, low, high } of FIXTURE.bootstrap) {
    const found = bootstrapDifference(first, second);
    assertAlmostEquals(found.difference, difference, 1e-12);
    // Two runs of a bootstrap differ by about this, of steps of 1 / (4 count).
    assertAlmostEquals(found.low, low, 0.007);
    assertAlmostEquals(found.high, high, 0.007);
    assertEquals(bootstrapDifference(first, second), found);
  }
});

Deno.test("pairedDifference() counts pairs where scores are 0 or 1, turns with its arguments, holds the difference", () => {
  const bits = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(0, 1)), { minLength: 1 });
  fc.assert(
    fc.property(bits, (pairs) => {
      const [first, second] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
      const found = pairedDifference(first, second);
      const count = (a: number, b: number) => pairs.filter(([x, y]) => x === a && y === b).length;
      assertEquals(found, newcombeDifference(count(1, 1), count(1, 0), count(0, 1), count(0, 0)));
      assert(found.low <= found.difference && found.difference <= found.high);
      assert(found.low >= -1 && found.high <= 1);
      assertAlmostEquals(pairedDifference(second, first).low, -found.high, 1e-12);
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("pairedDifference() takes the bootstrap for partial scores and refuses unpaired ones", () => {
  assertEquals(pairedDifference([0.5, 1], [0.25, 1]), bootstrapDifference([0.5, 1], [0.25, 1]));
  assertThrows(() => pairedDifference([1], []), RangeError, "1 and 0");
});
