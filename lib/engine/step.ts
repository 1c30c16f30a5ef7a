import type { KeyPlan } from "../../ffi/backend.ts";
import type { HeadPlan, LayerPlan } from "../attention/plan.ts";
import { attendedKeys } from "../attention/lower_row.ts";
import type { KeptAttention } from "./key_search.ts";
import type { SearchCost } from "./planner.ts";

/** Which attention rows a step keeps. */
export interface CaptureOptions {
  /**
   * Layers whose rows are kept.
   * @default "all"
   */
  readonly layers?: readonly number[] | "all";
  /**
   * Query heads whose rows are kept.
   * @default "all"
   */
  readonly heads?: readonly number[] | "all";
  /**
   * Also compute the share of the dense attention mass that the attended keys hold. Costs a dense pass over the keys
   * of each captured head.
   * @default false
   */
  readonly exactMass?: boolean;
}

/** What one head's query retrieved and attended in a step. */
export interface HeadRetrieval {
  /** Keys that an index returned, rising; empty for methods without one. */
  readonly indices: readonly number[];
  /** Query-key scores computed to select. */
  readonly scanned: number;
  /** Keys in the softmax. */
  readonly attended: number;
  /** Keys there were: the denominator of `attended`. */
  readonly keys: number;
  /** Share of the dense attention mass on the attended keys; `null` unless `exactMass` was asked for. */
  readonly mass: number | null;
  /**
   * Share of the attention that the search says is kept, and how sure that is; `null` unless the method asked for a
   * mass.
   */
  readonly kept: KeptAttention | null;
  /** Milliseconds of the search, shared by the heads of the layer. */
  readonly ms: number;
}

/** What one layer's heads did for the last row of a step. */
export interface LayerRecord {
  /** Plan of every head. */
  readonly plan: LayerPlan;
  /** Executable of every head. */
  readonly keys: readonly KeyPlan[];
  /** Cost of every head's search. */
  readonly searches: readonly SearchCost[];
  /** Captured rows by head. */
  readonly rows: ReadonlyMap<number, Float32Array>;
  /** Dense mass by head. */
  readonly masses: ReadonlyMap<number, number>;
}

/** One head of a layer. */
export interface HeadRef {
  /** The layer. */
  readonly layer: number;
  /** The query head. */
  readonly head: number;
}

/** Sums over all layers and heads of a step. */
export interface StepCounts {
  /** Query-key scores computed to select. */
  readonly scanned: number;
  /** Keys in the softmaxes. */
  readonly attended: number;
  /** Keys there were for all heads together: the denominator of both. */
  readonly keys: number;
}

/** One generated token and how it came about. */
export class Step {
  /** Tells it from other events of a run. */
  readonly kind = "step";
  /** Id of the new token. */
  readonly token: number;
  /** Its text; empty while a character is incomplete. */
  readonly text: string;
  /** Place in the session of the token. */
  readonly index: number;
  /** Logits the token was chosen from, `[vocab]`. */
  readonly logits: Float32Array;
  /** Milliseconds of the whole step. */
  readonly ms: number;
  /** Sums over layers and heads. */
  readonly counts: StepCounts;
  readonly #records: readonly LayerRecord[];

  /** Made by the session. */
  constructor(
    fields: { token: number; text: string; index: number; logits: Float32Array; ms: number },
    records: readonly LayerRecord[],
  ) {
    this.token = fields.token;
    this.text = fields.text;
    this.index = fields.index;
    this.logits = fields.logits;
    this.ms = fields.ms;
    this.#records = records;
    this.counts = count(records, fields.index);
  }

  /**
   * Attention probabilities of a head over the keys `0 .. index-1` when this token was chosen: exact for the keys it
   * attended, zero for the others. Throws `RangeError` where the row was not captured.
   */
  attention(layer: number, head: number): Float32Array {
    const row = this.#record(layer).rows.get(head);
    if (row) return row;
    throw new RangeError(
      `Cannot read attention as layer ${layer}, head ${head} was not captured: ` +
        `ask for step({ capture: { layers: [${layer}], heads: [${head}] } })`,
    );
  }

  /** Heads whose rows were captured: those that {@link attention} knows. */
  get captured(): HeadRef[] {
    return this.#records.flatMap(({ rows }, layer) =>
      [...rows.keys()].map((head) => ({ layer, head }))
    );
  }

  /** What a head retrieved and attended. */
  retrieval(layer: number, head: number): HeadRetrieval {
    const record = this.#record(layer);
    const plan = record.plan.heads[head];
    if (!plan) throw new RangeError(`Cannot read retrieval as there is no head ${head}`);
    return {
      indices: retrievedKeys(plan),
      scanned: record.searches[head]!.scanned,
      attended: attendedKeys(record.keys[head]!),
      keys: this.index,
      mass: record.masses.get(head) ?? null,
      kept: record.searches[head]!.kept ?? null,
      ms: record.searches[head]!.ms,
    };
  }

  /** Plan of every head of a layer. */
  plan(layer: number): LayerPlan {
    return this.#record(layer).plan;
  }

  #record(layer: number): LayerRecord {
    const record = this.#records[layer];
    if (record) return record;
    throw new RangeError(
      `Cannot read layer ${layer} as the step recorded layers 0 .. ${this.#records.length - 1}`,
    );
  }
}

/** In a layer with a sliding window the method's plan is a part of an intersection. */
function retrievedKeys(plan: HeadPlan): readonly number[] {
  if (plan.kind === "staticPlusRetrieved") return plan.retrieved;
  if (plan.kind !== "intersect" && plan.kind !== "union") return [];
  return [...new Set(plan.plans.flatMap(retrievedKeys))].sort((a, b) => a - b);
}

function count(records: readonly LayerRecord[], keys: number): StepCounts {
  let scanned = 0, attended = 0, heads = 0;
  for (const record of records) {
    heads += record.keys.length;
    record.keys.forEach((plan) => attended += attendedKeys(plan));
    record.searches.forEach((search) => scanned += search.scanned);
  }
  return { scanned, attended, keys: keys * heads };
}
