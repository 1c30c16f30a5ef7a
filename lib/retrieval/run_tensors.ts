/** Tensors with a row for each run of keys. */
import type { Backend, KvView, Tensor } from "../../ffi/backend.ts";
import { roomFor } from "./growing.ts";

/** Tensors `[blocks, kvHeads, dim]` that several indexes may hold. */
export class RunTensors {
  readonly #tensors: readonly Tensor[];
  #holders = 1;

  /** Room for some more than `blocks` runs in each of `count` tensors. */
  constructor(backend: Backend, { table }: KvView, count: number, blocks: number) {
    const shape = [roomFor(blocks, 64), table.kvHeads, table.spec.dim];
    this.#tensors = Array.from({ length: count }, () => backend.tensor(shape));
  }

  /** Runs that there is room for. */
  get capacity(): number {
    return this.#tensors[0]!.shape[0]!;
  }

  /** Bytes that they take. */
  get sizeBytes(): number {
    return this.#tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Whether others hold it, too. */
  get isShared(): boolean {
    return this.#holders > 1;
  }

  /** Rows `first .. end-1` of each tensor. */
  rows(first: number, end: number): Tensor[] {
    return this.#tensors.map((tensor) => tensor.rows(first, end - first));
  }

  /** The same for one more holder. */
  retain(): this {
    this.#holders++;
    return this;
  }

  /** Frees them when the last holder has called it. */
  release(): void {
    if (--this.#holders === 0) this.#tensors.forEach((tensor) => tensor.close());
  }
}
