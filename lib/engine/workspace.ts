import type { Backend, Tensor } from "../../ffi/backend.ts";
import type { ModelConfig } from "../model/types.ts";

/** Names and row shapes of the activations a forward pass keeps. */
function rowShapes(config: ModelConfig): Record<WorkspaceName, readonly number[]> {
  const { hidden, heads, kvHeads, dim } = config;
  return {
    x: [hidden],
    q: [heads, dim],
    k: [kvHeads, dim],
    v: [kvHeads, dim],
    out: [heads, dim],
    lse: [heads],
  };
}

/** Activations of a forward pass. */
export type WorkspaceName = "x" | "q" | "k" | "v" | "out" | "lse";

/** The activations of up to a fixed number of rows, allocated once and handed out as views. */
export class Workspace {
  readonly #tensors: Record<WorkspaceName, Tensor>;
  /** Rows there is room for. */
  readonly capacity: number;

  /** Room for `capacity` rows. */
  constructor(backend: Backend, config: ModelConfig, capacity: number) {
    this.capacity = capacity;
    const entries = Object.entries(rowShapes(config)).map(([name, shape]) =>
      [name, backend.tensor([capacity, ...shape])] as const
    );
    this.#tensors = Object.fromEntries(entries) as Record<WorkspaceName, Tensor>;
  }

  /** Views of the first `rows` rows. */
  rows(rows: number): Record<WorkspaceName, Tensor> {
    const entries = Object.entries(this.#tensors).map(([name, tensor]) =>
      [name, tensor.rows(0, rows)] as const
    );
    return Object.fromEntries(entries) as Record<WorkspaceName, Tensor>;
  }

  /** Frees the activations. */
  close(): void {
    Object.values(this.#tensors).forEach((tensor) => tensor.close());
  }
}
