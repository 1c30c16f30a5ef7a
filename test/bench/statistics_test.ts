import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { spreadOf } from "../../lib/bench/statistics.ts";

const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), {
  minLength: 1,
  maxLength: 40,
});

/** Each gap between two neighbours in four equal steps: quartiles of n values lie on steps n-1, 2(n-1), 3(n-1). */
function steps(sorted: readonly number[]): number[] {
  const all = sorted.slice(1).flatMap((next, i) =>
    [0, 1, 2, 3].map((step) => (sorted[i]! * (4 - step) + next * step) / 4)
  );
  return [...all, sorted.at(-1)!];
}

Deno.test("spreadOf() gives the quartiles that counting steps between values gives", () =>
  fc.assert(
    fc.property(values, (values) => {
      const { low, median, high } = spreadOf(values);
      const all = steps([...values].sort((a, b) => a - b));
      [low, median, high].forEach((value, i) =>
        assertAlmostEquals(value, all[(i + 1) * (values.length - 1)]!, 1e-6)
      );
    }),
    { seed: 1 },
  ));

Deno.test("spreadOf() leaves as many values below the median as above it", () =>
  fc.assert(
    fc.property(values, (values) => {
      const { median } = spreadOf(values);
      const below = values.filter((value) => value < median).length;
      const above = values.filter((value) => value > median).length;
      assertEquals(Math.max(below, above) <= values.length / 2, true);
    }),
    { seed: 1 },
  ));

Deno.test("spreadOf() takes values in any order and leaves them as they are", () => {
  const values = [4, 1, 3, 2, 5];
  assertEquals(spreadOf(values), { median: 3, low: 2, high: 4, least: 1, count: 5 });
  assertEquals(values, [4, 1, 3, 2, 5]);
});

Deno.test("spreadOf() refuses no values", () => {
  assertThrows(() => spreadOf([]), RangeError, "must be >= 1 values: current value is 0");
});
