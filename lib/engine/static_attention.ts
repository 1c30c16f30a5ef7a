/**
 * Attention of decode rows to the keys that they see whatever their searches find: begun before those where the backend queues
 * its work, so that a device attends while the CPU searches.
 */
import type {
  Backend,
  KeyPlan,
  KvView,
  PartialAttention,
  RunControl,
  Tensor,
} from "../../ffi/backend.ts";
import { attendedKeys, lowerRow, withoutKeys } from "../attention/lower_row.ts";
import { indexesOf } from "../attention/indexes_of.ts";
import type { Method } from "../attention/method.ts";
import type { ModelConfig } from "../model/types.ts";

/** Rows of a layer that attend. */
export interface AttendingRows {
  /** The layer. */
  readonly layer: number;
  /** Place in the cache of the first row. */
  readonly start: number;
  /** Queries, `[rows, heads, dim]`. */
  readonly q: Tensor;
  /** Keys and values up to the last row. */
  readonly kv: KvView;
  /** Cancels it. */
  readonly control: RunControl;
}

/** What was begun. */
export interface BegunAttention {
  /** The queries, which were read first: to read them now would wait. */
  readonly queries: Float32Array;
  /** Keys that are attended, `[rows]`. */
  readonly keys: readonly KeyPlan[];
}

/** Attends in two parts, or in one. */
export class StaticAttention {
  readonly #backend: Backend;
  readonly #config: Pick<ModelConfig, "windows" | "scale">;
  readonly #method: Method;

  /** For the rows of a method: what all its indexes of a layer leave out is static. */
  constructor(
    backend: Backend,
    config: Pick<ModelConfig, "windows" | "scale">,
    method: Method,
  ) {
    this.#backend = backend;
    this.#config = config;
    this.#method = method;
  }

  /** Begins to attend into `out`; `null` where that gains nothing. */
  async begin(
    { layer, start, q, kv, control }: AttendingRows,
    out: PartialAttention,
  ): Promise<BegunAttention | null> {
    const fixed = this.#static(layer);
    if (!fixed) return null;
    const [rows = 0, heads = 0] = q.shape;
    const plan = { kind: "streaming", ...fixed } as const;
    const keys = Array.from({ length: rows }, (_, row) => lowerRow(plan, start + row));
    const queries = q.read();
    const all = keys.flatMap((row) => Array<KeyPlan>(heads).fill(row));
    await this.#backend.attendKeys(q, this.#config.scale, kv, all, out, control);
    return { queries, keys };
  }

  /** What searches of a layer leave out; `null` where none takes a device's time. */
  #static(layer: number): { readonly sink: number; readonly window: number } | null {
    if (!this.#backend.queuesWork || this.#config.windows[layer] !== null) return null;
    const wishes = indexesOf(this.#method, layer);
    if (!wishes.some(({ index, tail }) => index.kind !== "exact" || tail !== null)) return null;
    return {
      sink: Math.min(...wishes.map(({ sink }) => sink)),
      window: Math.min(...wishes.map(({ window }) => window)),
    };
  }

  /** Attends to `plans`, `[rows * heads]`; what was begun in `out` is part of it where they have those keys. */
  async finish(
    { q, kv, control }: AttendingRows,
    plans: readonly KeyPlan[],
    begun: BegunAttention | null,
    out: PartialAttention,
  ): Promise<void> {
    const { scale } = this.#config;
    const rest = begun && restOf(plans, begun);
    if (!rest) return await this.#backend.attendKeys(q, scale, kv, plans, out, control);
    if (rest.every((plan) => attendedKeys(plan) === 0)) return;
    const found = {
      out: this.#backend.tensor(out.out.shape),
      lse: this.#backend.tensor(out.lse.shape),
    };
    try {
      await this.#backend.attendKeys(q, scale, kv, rest, found, control);
      await this.#backend.merge(out, found, out);
    } finally {
      found.out.close();
      found.lse.close();
    }
  }
}

/** What plans have beside the keys that were begun, or `null` where one does not have all of those. */
function restOf(plans: readonly KeyPlan[], { keys }: BegunAttention): KeyPlan[] | null {
  const heads = plans.length / keys.length;
  const known = new Map<KeyPlan, KeyPlan | null>();
  const rest = plans.map((plan, x) => {
    const left = known.get(plan) ?? withoutKeys(plan, keys[Math.floor(x / heads)]!);
    known.set(plan, left);
    return left;
  });
  return rest.every((plan) => plan !== null) ? rest : null;
}
