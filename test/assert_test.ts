import * as local from "./assert.ts";
import { assertEquals } from "@std/assert";

const { AssertionError } = local;

function fails(fn: () => unknown): boolean {
  try {
    fn();
    return false;
  } catch (error) {
    return error instanceof AssertionError;
  }
}

Deno.test("assertEquals() ignores the sign of zero and takes NaN as equal", () => {
  local.assertEquals(new Float32Array([0, NaN]), new Float32Array([-0, NaN]));
  local.assertEquals({ a: [0], b: new Map([["x", -0]]) }, { a: [-0], b: new Map([["x", 0]]) });
  local.assertEquals(new Set(["a", "b"]), new Set(["b", "a"]));
});

Deno.test("assertEquals() tells values, lengths, keys and types apart", () => {
  const pairs: [unknown, unknown][] = [
    [1, 2],
    [[1, 2], [1]],
    [{ a: undefined }, {}],
    [new Float32Array([1]), new Float64Array([1])],
    [new Date(1), new Date(2)],
    [new Map([["a", 1]]), new Map([["b", 1]])],
    [new Set([1]), new Set([2])],
    ["1", 1],
    [null, undefined],
  ];
  for (const [a, b] of pairs) {
    assertEquals(fails(() => local.assertEquals(a, b)), true, Deno.inspect([a, b]));
    local.assertNotEquals(a, b);
  }
});

Deno.test("assertThrows() checks class and message and returns the error", () => {
  const thrown = () => {
    throw new RangeError("k must be <= 512");
  };
  assertEquals(local.assertThrows(thrown, RangeError, "<= 512").message, "k must be <= 512");
  assertEquals(local.assertThrows(thrown, Error) instanceof RangeError, true);
  assertEquals(fails(() => local.assertThrows(thrown, TypeError)), true);
  assertEquals(fails(() => local.assertThrows(thrown, RangeError, "other")), true);
  assertEquals(fails(() => local.assertThrows(() => {})), true);
});

Deno.test("assertRejects() checks the reason and wants a promise", async () => {
  const error = await local.assertRejects(
    () => Promise.reject(new RangeError("no")),
    RangeError,
    "no",
  );
  assertEquals(error.message, "no");
  const outcomes = await Promise.allSettled([
    local.assertRejects(() => Promise.resolve(1)),
    local.assertRejects(() => Promise.reject(new Error("no")), TypeError),
    local.assertRejects(() => {
      throw new Error("at once");
    }),
  ]);
  assertEquals(outcomes.map((outcome) => outcome.status), ["rejected", "rejected", "rejected"]);
});

Deno.test("assertAlmostEquals() has a relative tolerance by default", () => {
  local.assertAlmostEquals(0.1 + 0.2, 0.3);
  local.assertAlmostEquals(1, 1.05, 0.1);
  assertEquals(fails(() => local.assertAlmostEquals(1, 1.001)), true);
  assertEquals(fails(() => local.assertAlmostEquals(NaN, 1, 1)), true);
});
