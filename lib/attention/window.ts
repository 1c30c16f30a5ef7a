/** The sliding windows that some models have of themselves: every method's plans are cut to them. */
import type { HeadPlan } from "./plan.ts";

/**
 * What is left of a layer's plans when a query sees at most the `window` most recent keys, its own included. A text of
 * `length` tokens that the window holds changes nothing; plans that were one object stay one object.
 */
export function withinWindow(
  plans: readonly HeadPlan[],
  window: number | null,
  length: number,
): readonly HeadPlan[] {
  if (window === null || length <= window) return plans;
  const cut = new Map<HeadPlan, HeadPlan>();
  return plans.map((plan) => {
    const found = cut.get(plan) ?? cutTo(plan, window);
    cut.set(plan, found);
    return found;
  });
}

/** First key that the query at `position` sees. */
export function windowStart(window: number | null, position: number): number {
  return window === null ? 0 : Math.max(0, position + 1 - window);
}

function cutTo(plan: HeadPlan, window: number): HeadPlan {
  const recent: HeadPlan = { kind: "streaming", sink: 0, window };
  return plan.kind === "dense" ? recent : { kind: "intersect", plans: [plan, recent] };
}
