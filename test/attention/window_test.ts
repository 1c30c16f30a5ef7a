import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { windowStart, withinWindow } from "../../lib/attention/window.ts";
import { sees } from "./brute_force.ts";
import { headPlans } from "./plans_arbitrary.ts";

Deno.test("withinWindow() keeps exactly the keys of the plan that the window holds", () => {
  const arguments_ = [headPlans, fc.integer({ min: 1, max: 60 }), fc.nat(90)] as const;
  fc.assert(
    fc.property(...arguments_, (plan, window, i) => {
      const [cut] = withinWindow([plan], window, i + 1);
      for (let j = 0; j <= i; j++) {
        assertEquals(sees(cut!, i, j), sees(plan, i, j) && j > i - window);
      }
    }),
    { numRuns: 200, seed: 21 },
  );
});

Deno.test("withinWindow() leaves plans alone without a window and in texts that it holds", () => {
  const plans: HeadPlan[] = [{ kind: "dense" }, { kind: "streaming", sink: 4, window: 8 }];
  assertStrictEquals(withinWindow(plans, null, 1000), plans);
  assertStrictEquals(withinWindow(plans, 100, 100), plans);
});

Deno.test("withinWindow() gives heads that shared a plan one plan again", () => {
  const plan: HeadPlan = { kind: "streaming", sink: 4, window: 8 };
  const [first, second] = withinWindow([plan, plan], 16, 100);
  assertStrictEquals(first, second);
});

Deno.test("windowStart() counts the query's own key", () => {
  assertEquals(windowStart(4, 9), 6);
  assertEquals(windowStart(4, 2), 0);
  assertEquals(windowStart(null, 9), 0);
});
