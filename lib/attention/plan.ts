/**
 * Plans: what each head of a layer is asked to attend to. A plan is plain JSON, so it can be printed, stored,
 * compared and drawn; `lower()` and `lowerRow()` turn it into what a kernel runs.
 *
 * Positions are absolute: query `i`, key `j`, always with `j <= i`.
 */
import { checkCount } from "./check.ts";
import type { MassClaim } from "./mass_claim.ts";

/** A plan that may come with what is known of it. */
export interface ClaimedPlan {
  /** What the method that chose it says of it; it changes nothing of what is attended to. */
  readonly claim?: MassClaim;
}

/** Every key up to the query. */
export interface DensePlan extends ClaimedPlan {
  /** Kind of the plan. */
  readonly kind: "dense";
}

/** Attention sinks and a sliding window: `j < sink` or `i - j < window` (StreamingLLM, A-shape). */
export interface StreamingPlan extends ClaimedPlan {
  /** Kind of the plan. */
  readonly kind: "streaming";
  /** Keys at the start that every query sees. */
  readonly sink: number;
  /** Most recent keys, the query's own included. */
  readonly window: number;
}

/**
 * What a prefill attends to around the 64 keys that a diagonal touches in 64 rows: the `blocks` of 32 keys, counted from key
 * 0, that they lie in, or `tiles` of 64 by MInference's conversion, which stand at any key and grow together by whole tiles.
 */
export type SlashCover = "blocks" | "tiles";

/** Chosen columns and diagonals: `j` in `vertical` or `i - j` in `slash` (MInference). */
export interface VerticalSlashPlan extends ClaimedPlan {
  /** Kind of the plan. */
  readonly kind: "verticalSlash";
  /** Key numbers, rising. */
  readonly vertical: readonly number[];
  /** Distances `i - j`, rising. */
  readonly slash: readonly number[];
  /**
   * Whether a prefill may attend to what lies around the diagonals, too, which is faster and holds more keys. Single queries
   * see the plan's own.
   */
  readonly cover?: SlashCover;
}

/** Chosen key blocks for each query block: `floor(j / block)` in `blocks[floor((i - from) / block)]`. */
export interface BlockSparsePlan extends ClaimedPlan {
  /** Kind of the plan. */
  readonly kind: "blockSparse";
  /** Tokens of a block. */
  readonly block: number;
  /** First query of the first block of queries; queries before it see nothing. @default 0 */
  readonly from?: number;
  /** Key blocks of each query block, counted from token 0; a missing entry is empty. */
  readonly blocks: readonly (readonly number[])[];
}

/** One plan for the queries before a token, another from it on (tri-shape's last rows). */
export interface SplitPlan {
  /** Kind of the plan. */
  readonly kind: "split";
  /** First query of the second plan. */
  readonly at: number;
  /** What queries before `at` see. */
  readonly before: HeadPlan;
  /** What queries from `at` on see. */
  readonly after: HeadPlan;
}

/** A static set and keys that an index retrieved for this query (RetrievalAttention). Decode only. */
export interface StaticPlusRetrievedPlan {
  /** Kind of the plan. */
  readonly kind: "staticPlusRetrieved";
  /** Keys at the start that stay on the fast tier. */
  readonly sink: number;
  /** Most recent keys that stay on the fast tier. */
  readonly window: number;
  /** Name of the index that was asked. */
  readonly index: string;
  /** How many keys it was asked for. */
  readonly topK: number;
  /** What it returned, rising; none of them in the static set. */
  readonly retrieved: readonly number[];
  /** Whether the keys of the index that it did not return are estimated and added, cluster by cluster. */
  readonly tail?: "clusters";
}

/** Keys that any of the plans holds. */
export interface UnionPlan {
  /** Kind of the plan. */
  readonly kind: "union";
  /** At least one plan. */
  readonly plans: readonly HeadPlan[];
}

/** Keys that all of the plans hold. */
export interface IntersectPlan {
  /** Kind of the plan. */
  readonly kind: "intersect";
  /** At least one plan. */
  readonly plans: readonly HeadPlan[];
}

/** What one head attends to. */
export type HeadPlan =
  | DensePlan
  | StreamingPlan
  | VerticalSlashPlan
  | BlockSparsePlan
  | StaticPlusRetrievedPlan
  | SplitPlan
  | UnionPlan
  | IntersectPlan;

/** What the heads of one layer attend to; heads that share a plan may share the object. */
export interface LayerPlan {
  /** One plan per query head. */
  readonly heads: readonly HeadPlan[];
}

/** Throws `RangeError` where a plan has negative, fractional or unordered numbers. */
export function checkPlan(plan: HeadPlan): void {
  switch (plan.kind) {
    case "dense":
      return;
    case "streaming":
      checkCount("plan", "sink", plan.sink, 0);
      checkCount("plan", "window", plan.window, 0);
      return;
    case "staticPlusRetrieved":
      checkCount("plan", "sink", plan.sink, 0);
      checkCount("plan", "window", plan.window, 0);
      checkRising("retrieved", plan.retrieved);
      return;
    case "verticalSlash":
      checkRising("vertical", plan.vertical);
      checkRising("slash", plan.slash);
      return;
    case "blockSparse":
      checkCount("plan", "block", plan.block, 1);
      checkCount("plan", "from", plan.from ?? 0, 0);
      plan.blocks.forEach((row) => checkRising("blocks", row));
      return;
    case "split":
      checkCount("plan", "at", plan.at, 0);
      checkPlan(plan.before);
      checkPlan(plan.after);
      return;
    case "union":
    case "intersect":
      checkCount("plan", "number of plans", plan.plans.length, 1);
      plan.plans.forEach(checkPlan);
      return;
    default:
      throw new RangeError(
        `Cannot plan as the kind of plan is unknown: current value is ${
          (plan as { kind: string }).kind
        }`,
      );
  }
}

function checkRising(name: string, values: readonly number[]): void {
  let last = -1;
  for (const value of values) {
    if (!Number.isSafeInteger(value) || value <= last) {
      throw new RangeError(
        `Cannot plan as ${name} must hold rising whole numbers >= 0: current value is ${value} after ${last}`,
      );
    }
    last = value;
  }
}
