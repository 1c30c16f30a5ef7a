import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { seededRandom } from "../../lib/engine/random.ts";
import { filterLogits, sample, type SamplingOptions } from "../../lib/engine/sampler.ts";
import cases from "./fixtures/sampler.json" with { type: "json" };

const LOGITS = Float32Array.of(1, 3, 2, 3, -1);

/** Ids that are still there. */
function kept(logits: Float32Array, options: SamplingOptions): number[] {
  const scores = filterLogits(logits, { temperature: 1, ...options });
  return [...scores.keys()].filter((id) => scores[id] !== -Infinity);
}

function never(): number {
  throw new Error("random was called");
}

Deno.test("filterLogits() agrees with the logits processors of transformers", () => {
  for (const { options, logits, history, scores } of cases) {
    const found = filterLogits(Float32Array.from(logits), options, history);
    const message = JSON.stringify(options);
    scores.forEach((score, id) => {
      if (score === null) assertEquals(found[id], -Infinity, message);
      else assertAlmostEquals(found[id] as number, score, 1e-6 * Math.abs(score), message);
    });
  }
});

Deno.test("filterLogits() leaves its argument as it is", () => {
  const logits = LOGITS.slice();
  filterLogits(logits, { temperature: 0.5, topK: 1, repetitionPenalty: 2 }, [0, 1]);
  assertEquals(logits, LOGITS);
});

Deno.test("filterLogits() keeps what equals the last of the top k, and the lower ids of equals in the top p", () => {
  assertEquals(kept(LOGITS, { topK: 1 }), [1, 3]);
  assertEquals(kept(LOGITS, { topK: 3 }), [1, 2, 3]);
  assertEquals(kept(Float32Array.of(0, 0, 0, 0), { topP: 0.5 }), [0, 1]);
  assertEquals(kept(LOGITS, { topP: 0 }), [1]);
});

Deno.test("filterLogits() keeps the likeliest token whatever the filters", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 50 }),
      fc.record({
        temperature: fc.double({ min: 0.01, max: 10, noNaN: true }),
        topK: fc.nat(60),
        topP: fc.double({ min: 0, max: 1, noNaN: true }),
        minP: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      (list, options) => {
        const logits = Float32Array.from(list);
        const scores = filterLogits(logits, options);
        const best = logits.indexOf(Math.max(...logits));
        assert(Number.isFinite(scores[best]));
        assertEquals(Math.max(...scores), scores[best]);
      },
    ),
    { seed: 1 },
  );
});

Deno.test("sample() is greedy by default and takes the lower id of equals", () => {
  assertEquals(sample(LOGITS, {}, never, []), 1);
  assertEquals(sample(LOGITS, { temperature: 0, topK: 2, topP: 0.1 }, never, []), 1);
  assertEquals(sample(LOGITS, { repetitionPenalty: 2 }, never, [1, 1]), 3);
  assertEquals(sample(Float32Array.of(-Infinity, -7, -5), {}, never, []), 2);
});

Deno.test("sample() draws each token with its probability", () => {
  const logits = Float32Array.from([0.1, 0.6, 0.3, 0], Math.log);
  const counts = [0, 0, 0, 0];
  const random = seededRandom(9);
  for (let i = 0; i < 20000; i++) counts[sample(logits, { temperature: 1 }, random, [])]! += 1;
  [0.1, 0.6, 0.3].forEach((p, id) => assertAlmostEquals((counts[id] as number) / 20000, p, 0.02));
  assertEquals(counts[3], 0);
});

Deno.test("sample() never draws a token that was taken out, at either end of the random numbers", () => {
  const logits = Float32Array.of(-Infinity, 1, 2, -Infinity);
  assertEquals(sample(logits, { temperature: 1 }, () => 0, []), 1);
  assertEquals(sample(logits, { temperature: 1 }, () => 1 - 2 ** -32, []), 2);
  assertEquals(sample(logits, { temperature: 1 }, () => 1, []), 2);
});

Deno.test("sample() repeats with the same seed", () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 100 }, () => sample(LOGITS, { temperature: 2 }, random, []));
  };
  assertEquals(draw(1), draw(1));
  assert(draw(1).join() !== draw(2).join());
});

Deno.test("sample() refuses options out of range with the current value", () => {
  const wrong: [SamplingOptions, string][] = [
    [{ temperature: -1 }, "temperature must be >= 0: current value is -1"],
    [{ temperature: NaN }, "temperature must be >= 0: current value is NaN"],
    [{ topK: 1.5 }, "topK must be a whole number >= 0: current value is 1.5"],
    [{ topK: -1 }, "topK must be a whole number >= 0: current value is -1"],
    [{ topP: 1.1 }, "topP must be >= 0 and <= 1: current value is 1.1"],
    [{ minP: -0.1 }, "minP must be >= 0 and <= 1: current value is -0.1"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty must be > 0: current value is 0"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(
      () => sample(LOGITS, options, never, []),
      RangeError,
      `Cannot sample as ${message}`,
    );
  }
});

Deno.test("sample() refuses logits without a finite maximum", () => {
  for (const logits of [[], [NaN, 1], [1, NaN, 2], [2, NaN], [-Infinity], [1, Infinity]]) {
    assertThrows(
      () => sample(Float32Array.from(logits), {}, never, []),
      RangeError,
      "finite maximum",
    );
  }
});
