/** Random plans for property tests. */
import fc from "fast-check";
import type { HeadPlan } from "../../lib/attention/plan.ts";

const rising = (most: number) =>
  fc.uniqueArray(fc.nat(most), { maxLength: 40 }).map((values) => values.sort((a, b) => a - b));

const leaf: fc.Arbitrary<HeadPlan> = fc.oneof(
  fc.constant<HeadPlan>({ kind: "dense" }),
  fc.record({ kind: fc.constant("streaming" as const), sink: fc.nat(80), window: fc.nat(150) }),
  fc.record({
    kind: fc.constant("verticalSlash" as const),
    vertical: rising(400),
    slash: rising(400),
  }),
  fc.record({
    kind: fc.constant("blockSparse" as const),
    block: fc.constantFrom(1, 7, 16, 64, 100),
    from: fc.constantFrom(0, 5, 64, 130),
    blocks: fc.array(rising(12), { maxLength: 30 }),
  }),
);

/** Plans that prefill can lower: leaves, and unions and intersections of them. */
export const headPlans: fc.Arbitrary<HeadPlan> = fc.oneof(
  { weight: 3, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("split" as const),
      at: fc.nat(300),
      before: leaf,
      after: leaf,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("union" as const, "intersect" as const),
      plans: fc.array(leaf, { minLength: 1, maxLength: 3 }),
    }),
  },
);
