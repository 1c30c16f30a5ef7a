import type { PlanValue } from "./plan_value.ts";

const NAMES: Readonly<Record<string, string>> = {
  dense: "dense",
  streaming: "sink and window",
  aShape: "A-shape",
  verticalSlash: "vertical-slash",
  blockSparse: "block-sparse",
  staticPlusRetrieved: "retrieval",
};

/** Name of a kind of plan or pattern, as people call it. */
export function patternName(kind: string): string {
  return NAMES[kind] ?? kind;
}

/** Names of the kinds that plans are made of, each once. */
export function kindName(plans: readonly PlanValue[]): string {
  return [...new Set(plans.flatMap(partsOf))].join(" + ");
}

/** Names of the simple plans that a plan consists of. */
function partsOf(plan: PlanValue): string[] {
  if (plan.kind === "split") return [plan.before, plan.after].flatMap(partsOf);
  if (plan.kind === "union" || plan.kind === "intersect") return plan.plans.flatMap(partsOf);
  return [patternName(plan.kind)];
}
