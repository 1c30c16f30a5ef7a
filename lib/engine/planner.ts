/** Asks the method for plans, checks and lowers them, and counts what selecting cost. */
import type { KeyPlan, TilePlan } from "../../ffi/backend.ts";
import { lower } from "../attention/lower.ts";
import { lowerRow } from "../attention/lower_row.ts";
import type { Estimates, Method, PrefillContext, SearchRequest } from "../attention/method.ts";
import type { HeadPlan, LayerPlan } from "../attention/plan.ts";
import { withinWindow } from "../attention/window.ts";
import type { ModelConfig } from "../model/types.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { KeptAttention, KeySearch, SearchingRow } from "./key_search.ts";

/** What selecting keys cost one head of one row, or of a chunk. */
export interface SearchCost {
  /** Query-key scores computed to select. */
  readonly scanned: number;
  /** Milliseconds of the search or estimate, shared by the heads that asked together. */
  readonly ms: number;
  /** Attention that the search says is kept; absent where it was not asked. */
  readonly kept?: KeptAttention | null;
  /** The index that was asked, if any. */
  readonly wish?: RetrievalWish;
}

/** Plans of one decode row in one layer, and what they cost. */
export interface RowPlan {
  /** What each head attends to. */
  readonly plan: LayerPlan;
  /** Cost of each head's search. */
  readonly searches: readonly SearchCost[];
}

const NO_SEARCH: SearchCost = { scanned: 0, ms: 0 };

/** Plans for one session's method, cut to the sliding windows of the model's layers. */
export class Planner {
  readonly #method: Method;
  readonly #memory = new Map<string, unknown>();
  readonly #search: KeySearch;
  readonly #heads: readonly number[];
  readonly #windows: readonly (number | null)[];

  /** Plans the layers of a model with `method`, which may ask for keys. */
  constructor(
    method: Method,
    { heads, windows }: Pick<ModelConfig, "heads" | "windows">,
    search: KeySearch,
  ) {
    this.#method = method;
    this.#heads = Array.from({ length: heads }, (_, head) => head);
    this.#windows = windows;
    this.#search = search;
  }

  /** Plans of a prefill chunk. */
  async prefill(
    layer: number,
    place: Pick<PrefillContext, "qStart" | "qLen" | "promptEnd">,
    estimates: Estimates,
  ): Promise<LayerPlan> {
    const kvLength = place.qStart + place.qLen;
    const context = {
      layer,
      heads: this.#heads,
      ...place,
      kvLength,
      window: this.#window(layer),
      estimates,
      memory: this.#memory,
    };
    return this.#checked(await this.#method.planPrefill(context), layer, kvLength);
  }

  /** Plans of a row of queries. */
  async decode(row: SearchingRow): Promise<RowPlan> {
    const { layer, position } = row;
    const searches = this.#heads.map(() => NO_SEARCH);
    const search = async (request: SearchRequest) => {
      const began = performance.now();
      const { answer, heads } = await this.#search.search(request, row);
      const ms = performance.now() - began;
      request.heads.forEach((head, h) => {
        const before = searches[head]!;
        const { scanned, kept } = heads[h]!;
        const { wish } = request;
        searches[head] = { scanned: before.scanned + scanned, ms: before.ms + ms, kept, wish };
      });
      return answer;
    };
    const plans = await this.#method.planDecode({ layer, heads: this.#heads, position, search });
    return { plan: this.#checked(plans, layer, position + 1), searches };
  }

  #window(layer: number): number | null {
    return this.#windows[layer] ?? null;
  }

  #checked(heads: readonly HeadPlan[], layer: number, length: number): LayerPlan {
    if (heads.length !== this.#heads.length) {
      throw new RangeError(
        `Cannot plan as method ${this.#method.name} must return ${this.#heads.length} plans: ` +
          `current value is ${heads.length}`,
      );
    }
    return { heads: withinWindow(heads, this.#window(layer), length) };
  }
}

/** Lowers the plans of a chunk; heads that share a plan object share the executable. */
export function lowerTiles(
  plan: LayerPlan,
  qStart: number,
  qLen: number,
  known: Map<string, TilePlan>,
): TilePlan[] {
  const lowered = new Map<HeadPlan, TilePlan>();
  return plan.heads.map((head) => {
    const found = lowered.get(head) ?? lowerOnce(head, qStart, qLen, known);
    lowered.set(head, found);
    return found;
  });
}

function lowerOnce(
  head: HeadPlan,
  qStart: number,
  qLen: number,
  known: Map<string, TilePlan>,
): TilePlan {
  if (!isSmall(head)) return lower(head, qStart, qLen, qStart + qLen);
  const key = JSON.stringify(head, (name, value) => name === "claim" ? undefined : value);
  const tiles = known.get(key) ?? lower(head, qStart, qLen, qStart + qLen);
  known.set(key, tiles);
  return tiles;
}

/** Whether a plan is told by few numbers. */
function isSmall(plan: HeadPlan): boolean {
  if (plan.kind === "intersect" || plan.kind === "union") return plan.plans.every(isSmall);
  return plan.kind === "dense" || plan.kind === "streaming";
}

/** Lowers the plans of one decode row. */
export function lowerRows(plan: LayerPlan, position: number): KeyPlan[] {
  const lowered = new Map<HeadPlan, KeyPlan>();
  return plan.heads.map((head) => {
    const found = lowered.get(head) ?? lowerRow(head, position);
    lowered.set(head, found);
    return found;
  });
}
