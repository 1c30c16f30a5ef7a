import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { attendedKeys, lowerRow, withoutKeys } from "../../lib/attention/lower_row.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { sees } from "./brute_force.ts";
import { headPlans } from "./plans_arbitrary.ts";

const retrieved: fc.Arbitrary<HeadPlan> = fc.record({
  kind: fc.constant("staticPlusRetrieved" as const),
  sink: fc.nat(20),
  window: fc.nat(40),
  index: fc.constant("exact"),
  topK: fc.constant(30),
  retrieved: fc.uniqueArray(fc.nat(300), { maxLength: 30 }).map((keys) =>
    keys.sort((a, b) => a - b)
  ),
});

function keys(plan: ReturnType<typeof lowerRow>): number[] {
  const found = Array.from(plan.indices);
  for (let x = 0; x < plan.ranges.length; x += 2) {
    for (let key = plan.ranges[x]!; key < plan.ranges[x + 1]!; key++) found.push(key);
  }
  return found.sort((a, b) => a - b);
}

Deno.test("lowerRow() holds exactly the keys of the plan, each once", () => {
  fc.assert(
    fc.property(fc.oneof(headPlans, retrieved), fc.nat(320), (plan, i) => {
      const expected = Array.from({ length: i + 1 }, (_, j) => j).filter((j) => sees(plan, i, j));
      const row = lowerRow(plan, i);
      assertEquals(keys(row), expected);
      assertEquals(attendedKeys(row), expected.length);
    }),
    { numRuns: 400, seed: 13 },
  );
});

Deno.test("withoutKeys() leaves what a part does not have, or null where the part has others", () => {
  fc.assert(
    fc.property(fc.oneof(headPlans, retrieved), headPlans, fc.nat(320), (plan, other, i) => {
      const [row, part] = [lowerRow(plan, i), lowerRow(other, i)];
      const [all, taken] = [keys(row), new Set(keys(part))];
      const both = lowerRow({ kind: "union", plans: [plan, other] }, i);
      const rest = keys(withoutKeys(both, part)!);
      assertEquals(rest, keys(both).filter((key) => !taken.has(key)));
      const isPart = [...taken].every((key) => all.includes(key));
      assertEquals(withoutKeys(row, part) !== null, isPart);
    }),
    { numRuns: 300, seed: 14 },
  );
});

Deno.test("lowerRow() refuses a position that is not a whole number", () => {
  assertThrows(() => lowerRow({ kind: "dense" }, -1), RangeError, "position must be");
  assertThrows(() => lowerRow({ kind: "dense" }, 0.5), RangeError, "position must be");
});
