import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { distributionOf, PlanChanges } from "../../lib/engine/trace_rows.ts";
import { headPlans } from "../attention/plans_arbitrary.ts";

Deno.test("distributionOf() gives what the formula gives, and does not overflow", () => {
  const logits = fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, min: -80, max: 80 });
  fc.assert(
    fc.property(logits, fc.nat(), fc.constantFrom(0, 1024), (small, pick, shift) => {
      const token = pick % small.length;
      const weights = Array.from(small, (logit) => Math.exp(logit));
      const sum = weights.reduce((a, b) => a + b, 0);
      const probs = weights.map((weight) => weight / sum);
      const entropy = probs.reduce((total, p) => p > 0 ? total - p * Math.log(p) : total, 0);
      const found = distributionOf(Float32Array.from(small, (logit) => logit + shift), token);
      const tolerance = shift === 0 ? 1e-9 : 1e-2;
      assertAlmostEquals(found.logProb, small[token]! - Math.log(sum), tolerance);
      assertAlmostEquals(found.entropy, entropy, tolerance);
      assert(found.entropy >= -1e-12 && found.entropy <= Math.log(small.length) + 1e-9);
    }),
    { numRuns: 300, seed: 3 },
  );
});

Deno.test("distributionOf() knows the entropy of even and of certain choices", () => {
  assertAlmostEquals(distributionOf(new Float32Array(50), 7).entropy, Math.log(50), 1e-12);
  const certain = Float32Array.of(-Infinity, 3, -Infinity);
  assertEquals(distributionOf(certain, 1), { logProb: 0, entropy: 0 });
  assertEquals(distributionOf(certain, 0).logProb, -Infinity);
});

/** Plans that differ in nothing but what an index returned. */
const retrieved = fc.array(fc.nat(50)).map((keys): HeadPlan => (
  { kind: "staticPlusRetrieved", sink: 1, window: 2, index: "exact", topK: 3, retrieved: keys }
));

/** The JSON of a plan whose retrieved keys were cut out of the text. */
function withoutRetrieved(plan: HeadPlan): string {
  return JSON.stringify(plan).replace(/,"retrieved":\[[\d,]*\]/, "");
}

Deno.test("PlanChanges gives rows from which every plan can be had again, and no other rows", () => {
  const heads = 3;
  const history = fc.array(
    fc.record({
      phase: fc.constantFrom("prefill" as const, "decode" as const),
      layer: fc.nat(1),
      plans: fc.array(fc.oneof(retrieved, headPlans), { minLength: heads, maxLength: heads }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(history, (passes) => {
      const changes = new PlanChanges();
      const inForce = new Map<string, string>();
      passes.forEach(({ phase, layer, plans }, step) => {
        const key = { run: 0, step, layer, phase, index: step };
        for (const row of changes.rows(key, { heads: plans })) {
          const place = `${row.phase} ${row.layer} ${row.head}`;
          assert(inForce.get(place) !== row.plan);
          inForce.set(place, row.plan);
        }
        plans.forEach((plan, head) => {
          assertEquals(inForce.get(`${phase} ${layer} ${head}`), withoutRetrieved(plan));
        });
      });
    }),
    { numRuns: 100, seed: 9 },
  );
});

Deno.test("PlanChanges ignores which keys were retrieved, however deep the plan", () => {
  const plan = (retrieved: number[]): HeadPlan => ({
    kind: "intersect",
    plans: [
      { kind: "staticPlusRetrieved", sink: 1, window: 2, index: "exact", topK: 3, retrieved },
      { kind: "streaming", sink: 0, window: 9 },
    ],
  });
  const changes = new PlanChanges();
  const key = { run: 0, step: 0, layer: 0, phase: "decode", index: 5 } as const;
  const [row] = changes.rows(key, { heads: [plan([4])] });
  assertEquals(row!.plan.includes('retrieved":'), false);
  assertEquals(changes.rows(key, { heads: [plan([5, 6])] }), []);
});
