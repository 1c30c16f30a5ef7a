/** What a step says, as rows of a trace. */
import type { HeadPlan, LayerPlan } from "../attention/plan.ts";
import type { TraceRow } from "../trace/schema.ts";
import type { Phase } from "./forward.ts";
import type { Step } from "./step.ts";

/** Key of a step's rows. */
export interface StepKey {
  /** Number of the run. */
  readonly run: number;
  /** Number of the generated token in its run. */
  readonly step: number;
}

/** Numbers of a model's layers and heads. */
export interface ModelShape {
  /** Number of layers. */
  readonly layers: number;
  /** Query heads of each. */
  readonly heads: number;
}

/** The row of a step. */
export function stepRow(key: StepKey, step: Step): TraceRow<"steps"> {
  const { index, token, text, ms, counts, logits } = step;
  return { ...key, index, token, text, ms, ...distributionOf(logits, token), ...counts };
}

/** A row for every head of a step. */
export function headRows(key: StepKey, step: Step, shape: ModelShape): TraceRow<"heads">[] {
  return eachHead(shape, (layer, head) => {
    const { scanned, attended, keys, mass } = step.retrieval(layer, head);
    return { ...key, layer, head, scanned, attended, keys, mass };
  });
}

/** A row for every head of a step whose plan asked an index. */
export function retrievalRows(key: StepKey, step: Step, shape: ModelShape) {
  const rows = eachHead(shape, (layer, head): TraceRow<"retrieval"> | null => {
    if (!asksIndex(step.plan(layer).heads[head]!)) return null;
    const { indices, ms } = step.retrieval(layer, head);
    return { ...key, layer, head, indices: Int32Array.from(indices), ms };
  });
  return rows.filter((row) => row !== null);
}

/**
 * Natural log-probability of `token`, and entropy in nats, of the distribution that logits mean as they are: before
 * penalty, temperature and filters.
 */
export function distributionOf(
  logits: Float32Array,
  token: number,
): { logProb: number; entropy: number } {
  let max = -Infinity;
  for (let id = 0; id < logits.length; id++) max = Math.max(max, logits[id]!);
  let sum = 0, weighted = 0;
  // With d = logit - max: log p = d - log sum, entropy = log sum - E[d].
  for (let id = 0; id < logits.length; id++) {
    const d = logits[id]! - max;
    const weight = Math.exp(d);
    if (weight === 0) continue;
    sum += weight;
    weighted += weight * d;
  }
  const logSum = Math.log(sum);
  return { logProb: logits[token]! - max - logSum, entropy: logSum - weighted / sum };
}

/** Which plans are new, of those that heads get one after another. */
export class PlanChanges {
  readonly #known = new Map<string, { plan: HeadPlan; json: string }>();

  /** Rows of the heads of a layer whose plan differs from the one before in this phase; retrieved keys do not count. */
  rows(
    key: { run: number; step: number | null; layer: number; phase: Phase; index: number },
    plans: LayerPlan,
  ): TraceRow<"plans">[] {
    const rows: TraceRow<"plans">[] = [];
    plans.heads.forEach((plan, head) => {
      const json = this.#changed(`${key.phase} ${key.layer} ${head}`, plan);
      if (json !== null) rows.push({ ...key, head, plan: json });
    });
    return rows;
  }

  #changed(place: string, plan: HeadPlan): string | null {
    const known = this.#known.get(place);
    if (known?.plan === plan) return null;
    const json = JSON.stringify(plan, (key, value) => key === "retrieved" ? undefined : value);
    this.#known.set(place, { plan, json });
    return known?.json === json ? null : json;
  }
}

function eachHead<Row>(
  { layers, heads }: ModelShape,
  row: (layer: number, head: number) => Row,
): Row[] {
  return Array.from(
    { length: layers * heads },
    (_, x) => row(Math.floor(x / heads), x % heads),
  );
}

function asksIndex(plan: HeadPlan): boolean {
  if (plan.kind === "intersect" || plan.kind === "union") return plan.plans.some(asksIndex);
  return plan.kind === "staticPlusRetrieved";
}
