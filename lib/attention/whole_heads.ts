import type { PrefillContext } from "./method.ts";
import type { HeadPlan } from "./plan.ts";

/** Plans heads whose budget holds every key dense, without looking at them, and the others by `plan`. */
export async function planUnlessWhole(
  context: PrefillContext,
  isWhole: (head: number) => boolean,
  plan: (context: PrefillContext) => Promise<HeadPlan[]>,
): Promise<HeadPlan[]> {
  const heads = context.heads.filter((head) => !isWhole(head));
  const found = heads.length === 0 ? [] : await plan({ ...context, heads });
  return context.heads.map((head) => found[heads.indexOf(head)] ?? { kind: "dense" });
}
