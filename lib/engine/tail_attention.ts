/** Adds what decode rows did not retrieve, as indexes estimate it, to what they attended. */
import type { Backend, PartialAttention } from "../../ffi/backend.ts";
import type { HostAttention } from "../../ffi/index_operations.ts";
import type { HeadPlan, LayerPlan, StaticPlusRetrievedPlan } from "../attention/plan.ts";
import type { KeySearch, SearchingRow } from "./key_search.ts";
import type { SearchCost } from "./planner.ts";

/** A head that wants its tail, by the index that it asked. */
interface TailHead {
  readonly head: number;
  readonly plan: StaticPlusRetrievedPlan;
}

/** Merges the tails of rows into their attention. */
export class TailAttention {
  readonly #backend: Backend;
  readonly #search: KeySearch;

  /** Tails of the indexes that `search` asks. */
  constructor(backend: Backend, search: KeySearch) {
    this.#backend = backend;
    this.#search = search;
  }

  /**
   * Adds tails to `found` `[rows, heads, dim]`, where plans want them.
   *
   * @param searches of each row and head: which index was asked
   */
  async add(
    rows: readonly SearchingRow[],
    plans: readonly LayerPlan[],
    searches: readonly SearchCost[],
    found: PartialAttention,
  ): Promise<void> {
    const wanted = plans.map(({ heads }) => tailHeads(heads));
    if (wanted.every(({ length }) => length === 0)) return;
    const [, heads = 0, dim = 0] = found.out.shape;
    const out = new Float32Array(rows.length * heads * dim);
    const lse = new Float32Array(rows.length * heads).fill(-Infinity);
    for (const [r, row] of rows.entries()) {
      for (
        const group of Map.groupBy(wanted[r]!, ({ head }) => searches[r * heads + head]!.wish)
          .values()
      ) {
        const places = group.map(({ head }) => r * heads + head);
        const tail = await this.#tail(group, row, searches[places[0]!]!);
        places.forEach((place, h) => {
          if (!tail) return;
          out.set(tail.out.subarray(h * dim, (h + 1) * dim), place * dim);
          lse[place] = tail.lse[h]!;
        });
      }
    }
    await mergeTail(this.#backend, found, { out, lse });
  }

  #tail(group: readonly TailHead[], row: SearchingRow, { wish }: SearchCost) {
    if (!wish) return null;
    const heads = group.map(({ head }) => head);
    const { window } = group[0]!.plan;
    const retrieved = group.map(({ plan }) => plan.retrieved);
    return this.#search.tail({ wish, heads }, row, row.position + 1 - window, retrieved);
  }
}

/** Merges a tail of the same shape into `found`. */
export async function mergeTail(
  backend: Backend,
  found: PartialAttention,
  { out, lse }: HostAttention,
): Promise<void> {
  const tail = {
    out: backend.tensor(found.out.shape, "f32", out),
    lse: backend.tensor(found.lse.shape, "f32", lse),
  };
  try {
    await backend.merge(found, tail, found);
  } finally {
    tail.out.close();
    tail.lse.close();
  }
}

function tailHeads(heads: readonly HeadPlan[]): TailHead[] {
  return heads.flatMap((plan, head) => {
    return plan.kind === "staticPlusRetrieved" && plan.tail ? [{ head, plan }] : [];
  });
}
