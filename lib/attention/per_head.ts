import type { Awaitable } from "../../ffi/backend.ts";
import type { Method } from "./method.ts";
import type { HeadPlan } from "./plan.ts";

/**
 * Gives each head its own method: `choose(layer, head)` is asked for every query head of every layer. Return the
 * same object for heads that share a method; they are planned together.
 */
export function perHead(choose: (layer: number, head: number) => Method): Method {
  const plan = (
    context: { layer: number; heads: readonly number[] },
    ask: (method: Method, heads: readonly number[]) => Awaitable<readonly HeadPlan[]>,
  ) => planGroups(groupHeads(context.heads, (head) => choose(context.layer, head)), ask);
  return {
    name: "perHead",
    options: {},
    governsPrefill: true,
    planPrefill: (context) =>
      plan(context, (method, heads) => method.planPrefill({ ...context, heads })),
    planDecode: (context) =>
      plan(context, (method, heads) => method.planDecode({ ...context, heads })),
    residentKeys: (layer, head, length) => choose(layer, head).residentKeys(layer, head, length),
  };
}

interface Group {
  readonly method: Method;
  readonly heads: number[];
  /** Places of `heads` in the answer. */
  readonly places: number[];
}

function groupHeads(heads: readonly number[], choose: (head: number) => Method): Group[] {
  const groups = new Map<Method, Group>();
  heads.forEach((head, place) => {
    const method = choose(head);
    const group = groups.get(method) ?? { method, heads: [], places: [] };
    group.heads.push(head);
    group.places.push(place);
    groups.set(method, group);
  });
  return [...groups.values()];
}

async function planGroups(
  groups: readonly Group[],
  ask: (method: Method, heads: readonly number[]) => Awaitable<readonly HeadPlan[]>,
): Promise<readonly HeadPlan[]> {
  const plans: HeadPlan[] = [];
  for (const { method, heads, places } of groups) {
    const answer = await ask(method, heads);
    if (answer.length !== heads.length) throw wrongCount(method, heads.length, answer.length);
    places.forEach((place, x) => plans[place] = answer[x]!);
  }
  return plans;
}

function wrongCount(method: Method, wanted: number, found: number): RangeError {
  return new RangeError(
    `Cannot plan as method ${method.name} must return ${wanted} plans: current value is ${found}`,
  );
}
