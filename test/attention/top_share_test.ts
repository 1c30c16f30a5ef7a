import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { countWithin, topShare } from "../../lib/attention/top_share.ts";

const sum = (values: Iterable<number>) => [...values].reduce((total, x) => total + x, 0);

/** Whole numbers of 64ths, whose sums are exact. */
const cases = fc.record({
  scores: fc.array(fc.nat(20), { minLength: 1, maxLength: 30 })
    .map((values) => Float32Array.from(values, (value) => value / 64)),
  share: fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
  picks: fc.uniqueArray(fc.nat(29), { maxLength: 3 }),
});

Deno.test("topShare() reaches the share by the fewest largest scores beside the forced", () => {
  fc.assert(
    fc.property(cases, ({ scores, share, picks }) => {
      const forced = picks.filter((place) => place < scores.length);
      const taken = topShare(scores, share, { forced });
      assertEquals(taken, [...new Set(taken)].sort((a, b) => a - b));
      assert(forced.every((place) => taken.includes(place)));
      const held = sum(taken.map((place) => scores[place]!));
      assert(held >= share * sum(scores));
      const others = taken.filter((place) => !forced.includes(place));
      if (others.length === 0) return;
      const least = Math.min(...others.map((place) => scores[place]!));
      assert(held - least < share * sum(scores));
      scores.forEach((score, place) => assert(taken.includes(place) || score <= least));
    }),
    { seed: 1 },
  );
});

Deno.test("topShare() takes the first of equal scores, and numbers within the limits", () => {
  const scores = Float32Array.of(1, 2, 1, 1, 2, 1);
  assertEquals(topShare(scores, 5 / 8), [0, 1, 4]);
  assertEquals(topShare(scores, 5 / 8, { forced: [5] }), [1, 4, 5]);
  assertEquals(topShare(scores, 5 / 8, { least: 5 }), [0, 1, 2, 3, 4]);
  assertEquals(topShare(scores, 5 / 8, { least: 50 }), [0, 1, 2, 3, 4, 5]);
  assertEquals(topShare(scores, 1, { most: 1 }), [1]);
  assertEquals(topShare(scores, 1, { most: 1, forced: [3, 0] }), [0, 3]);
  assertEquals(topShare(scores, 0), []);
});

Deno.test("topShare() of everything leaves out zeros and what the sum does not feel", () => {
  assertEquals(topShare(Float32Array.of(1, 0, 2 ** -140, 2 ** -20), 1), [0, 3]);
});

Deno.test("countWithin() does not count the score that crosses the limit, and counts zeros", () => {
  const scores = Float32Array.of(0, 3, 1, 2, 0);
  assertEquals([0, 3, 4.9, 5, 5.9, 6].map((limit) => countWithin(scores, limit)), [
    0,
    1,
    1,
    2,
    2,
    5,
  ]);
  assertEquals(countWithin(new Float32Array(), 1), 0);
});
