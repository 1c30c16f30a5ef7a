import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { textWindows } from "../../lib/plot/draw/text_windows.ts";

Deno.test("textWindows() surrounds the largest values, the largest sum first", () => {
  const values = new Float64Array(100);
  values[20] = 0.2;
  values[22] = 0.1;
  values[60] = 0.5;
  values[99] = 0.1;
  assertEquals(textWindows(values, { count: 3, radius: 4 }), [
    { start: 56, end: 65, sum: 0.5 },
    { start: 16, end: 25, sum: 0.2 + 0.1 },
    { start: 95, end: 100, sum: 0.1 },
  ]);
});

Deno.test("textWindows() joins windows that touch, and has none where nothing is positive", () => {
  const values = [0, 1, 0, 0, 0, 0.5, 0, 0];
  assertEquals(textWindows(values, { count: 2, radius: 2 }), [{ start: 0, end: 8, sum: 1.5 }]);
  assertEquals(textWindows([0, 0, NaN, -1], { count: 2, radius: 2 }), []);
  assertEquals(textWindows([], { count: 2, radius: 2 }), []);
});

Deno.test("textWindows() are apart, and hold the largest value", () => {
  const value = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(NaN));
  const options = fc.record({
    count: fc.integer({ min: 1, max: 6 }),
    radius: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 80 }), options, (values, { count, radius }) => {
      const windows = textWindows(values, { count, radius });
      assertLessOrEqual(windows.length, count);
      const rising = windows.toSorted((a, b) => a.start - b.start);
      rising.slice(1).forEach(({ start }, i) => assert(start > rising[i]!.end));
      const most = Math.max(0, ...values.filter((value) => value > 0));
      const held = windows.flatMap(({ start, end }) => values.slice(start, end));
      assertEquals(Math.max(0, ...held.filter((value) => value > 0)), most);
    }),
    { seed: 1 },
  );
});
