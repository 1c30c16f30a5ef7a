import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { topIndices } from "../../lib/retrieval/top_indices.ts";

/** By sorting. */
function byHand(scores: readonly number[], k: number): number[] {
  return scores
    .map((score, place) => ({ score, place }))
    .filter(({ score }) => score !== -Infinity)
    .sort((a, b) => b.score - a.score || a.place - b.place)
    .slice(0, k)
    .map(({ place }) => place)
    .sort((a, b) => a - b);
}

Deno.test("topIndices() takes what sorting all scores takes, with ties and infinities, too", () => {
  const score = fc.oneof(
    fc.integer({ min: -4, max: 4 }),
    fc.float({ noNaN: true }),
    fc.constantFrom(-0, Infinity, -Infinity),
  );
  const scores = fc.array(score, { maxLength: 60 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 0, max: 70 }), (some, k) => {
      const rising = Float32Array.from(some).sort();
      assertEquals(topIndices(Float32Array.from(some), k), byHand(some, k));
      assertEquals(topIndices(Float32Array.from(some), k, () => rising), byHand(some, k));
    }),
    { seed: 1 },
  );
});

Deno.test("topIndices() takes time in proportion where scores rise, fall, peak or are all the same", () => {
  const count = 200_000;
  const shapes: ((place: number) => number)[] = [
    (place) => place,
    (place) => -place,
    (place) => -Math.abs(place - count / 2),
    (place) => Math.abs(place - count / 2),
    () => 1,
  ];
  for (const shape of shapes) {
    const scores = Float32Array.from({ length: count }, (_, place) => shape(place));
    const rising = scores.slice().sort();
    // Quadratic time would be minutes.
    assertEquals(topIndices(scores, count / 5), topIndices(scores, count / 5, () => rising));
  }
});
