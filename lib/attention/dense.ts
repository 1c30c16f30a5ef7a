import { described } from "./described.ts";
import type { Method } from "./method.ts";
import type { HeadPlan } from "./plan.ts";

const PLAN: HeadPlan = { kind: "dense" };

/** What methods that govern the prefill alone do for single queries: every key. */
export const denseDecode: Pick<Method, "planDecode" | "residentKeys"> = {
  planDecode: ({ heads }) => heads.map(() => PLAN),
  residentKeys: (_layer, _head, length) => length,
};

/** Full causal attention: every query sees every key before it. */
export function dense(): Method {
  return described({
    name: "dense",
    options: {},
    governsPrefill: false,
    planPrefill: ({ heads }) => heads.map(() => PLAN),
    ...denseDecode,
  });
}
