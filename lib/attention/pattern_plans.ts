import { planBlockSparse } from "./block_sparse.ts";
import type { HeadPattern } from "./head_pattern.ts";
import type { PrefillContext } from "./method.ts";
import type { HeadPlan } from "./plan.ts";
import { planVerticalSlash } from "./vertical_slash.ts";

const DENSE: HeadPlan = { kind: "dense" };

/** Heads that are planned by one estimate. */
interface Group {
  readonly heads: number[];
  /** Places of `heads` among those asked for. */
  readonly places: number[];
  readonly plan: (context: PrefillContext) => Promise<HeadPlan[]>;
}

/** Plans of `context.heads` by the pattern of each. Heads of one kind share an estimate, whatever their budgets. */
export async function planPatterns(
  context: PrefillContext,
  patternOf: (head: number) => HeadPattern,
): Promise<HeadPlan[]> {
  const plans: HeadPlan[] = [];
  const groups = new Map<string, Group>();
  const streaming = new Map<string, HeadPlan>();
  context.heads.forEach((head, place) => {
    const pattern = patternOf(head);
    if (pattern.kind === "dense") plans[place] = DENSE;
    else if (pattern.kind === "aShape") plans[place] = shared(streaming, pattern);
    else addTo(groups, pattern, patternOf, head, place);
  });
  for (const { heads, places, plan } of groups.values()) {
    const found = await plan({ ...context, heads });
    places.forEach((place, x) => plans[place] = found[x]!);
  }
  return plans;
}

/** One object for heads that see the same keys: it is lowered once. */
function shared(
  known: Map<string, HeadPlan>,
  { sink, window }: Extract<HeadPattern, { kind: "aShape" }>,
): HeadPlan {
  const key = `${sink} ${window}`;
  const plan = known.get(key) ?? { kind: "streaming", sink, window };
  known.set(key, plan);
  return plan;
}

function addTo(
  groups: Map<string, Group>,
  pattern: Extract<HeadPattern, { kind: "verticalSlash" | "blockSparse" }>,
  patternOf: (head: number) => HeadPattern,
  head: number,
  place: number,
): void {
  const key = pattern.kind === "blockSparse" ? `blocks of ${pattern.block}` : pattern.kind;
  const group = groups.get(key) ?? { heads: [], places: [], plan: planOf(pattern, patternOf) };
  group.heads.push(head);
  group.places.push(place);
  groups.set(key, group);
}

function planOf(
  pattern: Extract<HeadPattern, { kind: "verticalSlash" | "blockSparse" }>,
  patternOf: (head: number) => HeadPattern,
): Group["plan"] {
  if (pattern.kind === "verticalSlash") {
    const rule = { lastQueries: 64, variant: "chunk", cover: "blocks" } as const;
    return (context) =>
      planVerticalSlash(context, rule, (head) => patternOf(head) as typeof pattern);
  }
  const rule = { block: pattern.block, forced: true };
  return (context) =>
    planBlockSparse(context, rule, (head) => (patternOf(head) as typeof pattern).topK);
}
