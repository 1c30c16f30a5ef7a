import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { makeScale, rangeOf, type ScaleName } from "../../lib/plot/draw/scale.ts";

const CURVES: readonly ScaleName[] = ["linear", "sqrt", "log"];
const ALL: readonly ScaleName[] = [...CURVES, "quantile"];

const amounts = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), {
  minLength: 1,
  maxLength: 80,
});
const anyNumbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), {
  minLength: 1,
  maxLength: 80,
});

Deno.test("ink() is within 0 .. 1 and never falls as the value rises, on every scale", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL), anyNumbers, anyNumbers, (name, values, asked) => {
      const scale = makeScale(name, values);
      const inks = asked.concat(values).sort((a, b) => a - b).map((value) => scale.ink(value));
      inks.forEach((ink, i) => assert(ink >= (inks[i - 1] ?? 0) && ink <= 1, `${name} ${inks}`));
    }),
    { numRuns: 400, seed: 1 },
  );
});

Deno.test("value() is the inverse of ink() within the range of linear, sqrt and log scales", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CURVES),
      amounts,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (name, values, ink) => {
        const scale = makeScale(name, values);
        const [low, high] = scale.range;
        fc.pre(high - low > 1e-6 * high);
        assertAlmostEquals(scale.ink(scale.value(ink)), ink, 1e-6);
      },
    ),
    { numRuns: 400, seed: 2 },
  );
});

Deno.test("ink() follows the formula of each curve", () => {
  const range = [1, 100] as const;
  const ink = (name: ScaleName, value: number) => makeScale(name, [], range).ink(value);
  assertAlmostEquals(ink("linear", 25.75), 0.25);
  assertAlmostEquals(ink("sqrt", 25), 4 / 9);
  assertAlmostEquals(ink("log", 10), 0.5);
  assertAlmostEquals(makeScale("sqrt", [], [-4, 4]).ink(-1), 0.25);
});

Deno.test("ink() gives the range's ends 0 and 1, and what lies beyond the same", () => {
  for (const name of ALL) {
    const scale = makeScale(name, [2, 3, 5, 8], [2, 8]);
    assertEquals([2, -1, 8, 1e9].map((value) => scale.ink(value)), [0, 0, 1, 1], name);
    assertEquals([0, 1, -3, 4].map((ink) => Math.round(scale.value(ink))), [2, 8, 2, 8], name);
  }
});

Deno.test("a log scale of data with zeros shows five decades below the largest value", () => {
  const scale = makeScale("log", [0, 1e-9, 0.01, 0.5]);
  assertEquals(scale.range, [0.5e-5, 0.5]);
  assertEquals([0, 1e-9, 0.5e-5].map((value) => scale.ink(value)), [0, 0, 0]);
  assertAlmostEquals(scale.ink(0.5e-4), 0.2, 1e-9);
});

Deno.test("NaN stays NaN and is left out of the range, on every scale", () => {
  for (const name of ALL) {
    for (const values of [[NaN, 1, 4, NaN], [NaN, 3, 3], [NaN], [NaN, 0]]) {
      const scale = makeScale(name, values);
      assertEquals(scale.ink(NaN), NaN, `${name} of ${values}`);
      assert(scale.range.every(Number.isFinite), `${name} of ${values}`);
    }
  }
  assertEquals(rangeOf([NaN, 4, -1, NaN]), [-1, 4]);
});

Deno.test("data of one value have all of the ink, and zeros none, on linear, sqrt and log scales", () => {
  for (const name of CURVES) {
    assertEquals(makeScale(name, [7, 7]).ink(7), 1, name);
    assertEquals(makeScale(name, [0, 0]).ink(0), 0, name);
    assertEquals(makeScale(name, [0, 0]).ink(1), 1, name);
  }
});

Deno.test("value() is a number for every ink of zeros, of one value and of nothing", () => {
  for (const name of ALL) {
    for (const values of [[0, 0], [7, 7], []]) {
      const scale = makeScale(name, values);
      for (const ink of [0, 0.3, 1]) assert(Number.isFinite(scale.value(ink)), `${name} ${values}`);
    }
  }
});

Deno.test("a quantile scale gives the share of the values that are smaller", () => {
  fc.assert(
    fc.property(amounts, (values) => {
      const scale = makeScale("quantile", values);
      for (const value of values) {
        const below = values.filter((other) => other < value).length;
        assertAlmostEquals(scale.ink(value), below / Math.max(1, values.length - 1), 1e-12);
      }
    }),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("a quantile scale's value() gives the value of that rank", () => {
  const values = [9, 1, 4, 16, 25];
  const scale = makeScale("quantile", values);
  assertEquals([0, 0.25, 0.5, 0.75, 1].map((ink) => scale.value(ink)), [1, 4, 9, 16, 25]);
});

Deno.test("a quantile scale of a million values is near their true ranks", () => {
  const values = new Float64Array(1e6).map((_, i) => ((i * 7919) % 1e6) / 1e6);
  const scale = makeScale("quantile", values);
  for (const value of [0.1, 0.5, 0.93]) assertAlmostEquals(scale.ink(value), value, 0.01);
});

Deno.test("makeScale() refuses a range that falls or is not finite", () => {
  for (const range of [[2, 1], [0, Infinity], [NaN, 1]] as const) {
    assertThrows(
      () => makeScale("linear", [1], range),
      RangeError,
      `current value is [${range[0]}, ${range[1]}]`,
    );
  }
});
