/** Asks the method for plans, checks and lowers them, and counts what selecting cost. */
import type { KeyPlan, RunControl, Tensor, TilePlan } from "../../ffi/backend.ts";
import { lower } from "../attention/lower.ts";
import { lowerRow } from "../attention/lower_row.ts";
import type { Method, SearchRequest } from "../attention/method.ts";
import type { HeadPlan, LayerPlan } from "../attention/plan.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { KvIndex } from "../retrieval/kv_index.ts";

/** What selecting keys cost one head of one row. */
export interface SearchCost {
  /** Query-key scores computed to select. */
  readonly scanned: number;
  /** Milliseconds of the search call, shared by the heads that asked together. */
  readonly ms: number;
}

/** Plans of one decode row in one layer, and what they cost. */
export interface RowPlan {
  /** What each head attends to. */
  readonly plan: LayerPlan;
  /** Cost of each head's search. */
  readonly searches: readonly SearchCost[];
}

const NO_SEARCH: SearchCost = { scanned: 0, ms: 0 };

/** Plans for one session's method. */
export class Planner {
  readonly #method: Method;
  readonly #indexes: ReadonlyMap<string, KvIndex>;
  readonly #heads: readonly number[];

  /** Plans `heads` query heads a layer with `method`, which may ask `indexes`. */
  constructor(method: Method, heads: number, indexes: readonly KvIndex[]) {
    this.#method = method;
    this.#heads = Array.from({ length: heads }, (_, head) => head);
    this.#indexes = new Map(indexes.map((index) => [index.id, index]));
  }

  /** Plans of a prefill chunk. */
  async prefill(
    layer: number,
    qStart: number,
    qLen: number,
    kvLength: number,
  ): Promise<LayerPlan> {
    const context = { layer, heads: this.#heads, qStart, qLen, kvLength };
    return this.#checked(await this.#method.planPrefill(context));
  }

  /** Plans of row `row` of `q`, whose token stands at `position`. */
  async decode(
    layer: number,
    position: number,
    row: number,
    q: Tensor,
    cache: PagedCache,
    control: RunControl,
  ): Promise<RowPlan> {
    const searches = this.#heads.map(() => NO_SEARCH);
    const search = async (request: SearchRequest) => {
      const began = performance.now();
      const kv = cache.view(layer, position + 1);
      const { found, scanned } = await this.#index(request.index)
        .search({ ...request, q, row, kv }, control);
      const ms = performance.now() - began;
      for (const head of request.heads) {
        const before = searches[head]!;
        searches[head] = { scanned: before.scanned + scanned, ms: before.ms + ms };
      }
      return found;
    };
    const context = { layer, heads: this.#heads, position, search };
    return { plan: this.#checked(await this.#method.planDecode(context)), searches };
  }

  #index(id: string): KvIndex {
    const index = this.#indexes.get(id);
    if (index) return index;
    throw new RangeError(
      `Cannot search as index must be one of ${[...this.#indexes.keys()]}: current value is ${id}`,
    );
  }

  #checked(heads: readonly HeadPlan[]): LayerPlan {
    if (heads.length !== this.#heads.length) {
      throw new RangeError(
        `Cannot plan as method ${this.#method.name} must return ${this.#heads.length} plans: ` +
          `current value is ${heads.length}`,
      );
    }
    return { heads };
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
  const small = head.kind === "dense" || head.kind === "streaming";
  if (!small) return lower(head, qStart, qLen, qStart + qLen);
  const key = JSON.stringify(head);
  const tiles = known.get(key) ?? lower(head, qStart, qLen, qStart + qLen);
  known.set(key, tiles);
  return tiles;
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
