import { assert, assertEquals, assertThrows } from "@std/assert";
import { normalPair, pick, randomInt, seededRandom } from "../../lib/engine/random.ts";

Deno.test("seededRandom() repeats for a seed and differs between seeds", () => {
  const draw = (seed: number) => Array.from({ length: 50 }, seededRandom(seed));
  assertEquals(draw(7), draw(7));
  assert(draw(7).every((value, i) => value !== draw(8)[i]));
  assertThrows(() => seededRandom(0.5), RangeError, "current value is 0.5");
});

Deno.test("seededRandom() is even: mean, variance and every sixteenth", () => {
  const random = seededRandom(1);
  const values = Array.from({ length: 160000 }, random);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert(Math.abs(mean - 0.5) < 0.003 && Math.abs(variance - 1 / 12) < 0.001);
  const counts = new Int32Array(16);
  for (const value of values) counts[Math.floor(value * 16)]! += 1;
  assert(counts.every((count) => Math.abs(count - 10000) < 500), counts.join(" "));
});

Deno.test("randomInt() and pick() reach every entry and no other", () => {
  const random = seededRandom(2);
  const seen = new Set(Array.from({ length: 200 }, () => randomInt(random, 5)));
  assertEquals([...seen].sort(), [0, 1, 2, 3, 4]);
  assertEquals(new Set(Array.from({ length: 200 }, () => pick(random, ["a", "b"]))).size, 2);
});

Deno.test("normalPair() has mean 0, variance 1 and numbers that do not depend on each other", () => {
  const random = seededRandom(3);
  const pairs = Array.from({ length: 80000 }, () => normalPair(random));
  const mean = (value: (pair: [number, number]) => number) =>
    pairs.reduce((sum, pair) => sum + value(pair), 0) / pairs.length;
  for (const i of [0, 1] as const) {
    assert(Math.abs(mean((pair) => pair[i])) < 0.015);
    assert(Math.abs(mean((pair) => pair[i] ** 2) - 1) < 0.02);
    assert(Math.abs(mean((pair) => pair[i] ** 4) - 3) < 0.15);
  }
  assert(Math.abs(mean(([a, b]) => a * b)) < 0.015);
});
