import { assert, assertEquals, assertThrows } from "@std/assert";
import { pick, randomInt, seededRandom } from "../../lib/engine/random.ts";

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
