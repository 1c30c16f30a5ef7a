/** What one place of a forward pass holds, to be read, recorded or replaced. */
import type { Tensor } from "../../ffi/backend.ts";
import type { LayerPlan } from "../attention/plan.ts";

/** Places of a forward pass, in order; all but `embed` and `logits` come once per layer. */
export type Stage = "embed" | "qkv" | "plan" | "attention" | "output" | "logits";

/** Names of the arrays a state may hold. */
export type StateName = "x" | "q" | "k" | "v" | "out" | "lse" | "logits";

/**
 * One place of a forward pass. Valid until the pass goes on.
 *
 * | stage | arrays |
 * | --- | --- |
 * | `embed`, `output` | `x` `[rows, hidden]`, the residual stream |
 * | `qkv` | `q` `[rows, heads, dim]`, `k` and `v` `[rows, kvHeads, dim]`, after RoPE, before the cache |
 * | `plan` | none; `plans` may be replaced |
 * | `attention` | `out` `[rows, heads, dim]`, `lse` `[rows, heads]`, `q` |
 * | `logits` | `logits` `[rows, vocab]`, of the last row or of all |
 */
export class LayerState {
  /** Place of the pass. */
  readonly stage: Stage;
  /** Layer number; -1 for `embed` and the number of layers for `logits`. */
  readonly layer: number;
  /** Places in the session of the rows. */
  readonly rows: { readonly start: number; readonly count: number };
  /** Whether the pass recomputes tokens that are in the cache already (`session.map`). */
  readonly replay: boolean;
  /**
   * Plans of the layer at stage `plan`: one of all rows in a prefill, one per row otherwise. Assign to change what is
   * attended: what is there is cut to the layer's sliding window, what is assigned is taken as it is.
   */
  plans: readonly LayerPlan[];
  readonly #tensors: Partial<Record<StateName, Tensor>>;

  /** Made by the engine. */
  constructor(
    place: {
      stage: Stage;
      layer: number;
      rows: { start: number; count: number };
      replay: boolean;
    },
    tensors: Partial<Record<StateName, Tensor>>,
    plans: readonly LayerPlan[] = [],
  ) {
    this.stage = place.stage;
    this.layer = place.layer;
    this.rows = place.rows;
    this.replay = place.replay;
    this.plans = plans;
    this.#tensors = tensors;
  }

  /** Names of the arrays this state holds. */
  get names(): StateName[] {
    return Object.keys(this.#tensors) as StateName[];
  }

  /** Shape of an array. */
  shape(name: StateName): readonly number[] {
    return this.#tensor(name).shape;
  }

  /** A copy of an array. Throws `RangeError` when this stage has none of that name. */
  read(name: StateName): Float32Array {
    return this.#tensor(name).read();
  }

  /** Replaces an array. Throws `RangeError` when this stage has none of that name, `ShapeError` on a wrong length. */
  write(name: StateName, data: Float32Array): void {
    this.#tensor(name).write(data);
  }

  #tensor(name: StateName): Tensor {
    const tensor = this.#tensors[name];
    if (!tensor) {
      throw new RangeError(
        `Cannot use ${name} as stage ${this.stage} holds ${this.names.join(", ") || "no arrays"}`,
      );
    }
    return tensor;
  }
}
