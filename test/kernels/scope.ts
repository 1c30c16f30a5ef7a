/** Tensors and pages of one test, closed together. */
import type {
  Backend,
  KvDType,
  KvView,
  MemoryTier,
  PageTable,
  Tensor,
  WeightDType,
} from "../../ffi/backend.ts";
import { PAGE_TOKENS } from "../../ffi/backend.ts";

/** A cache to read, and its tokens as they were before rounding. */
export interface KvData {
  /** `[length, kvHeads, dim]` */
  readonly k: Float32Array;
  /** `[length, kvHeads, dim]` */
  readonly v: Float32Array;
  /** Tokens. */
  readonly length: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Head dimension. */
  readonly dim: number;
}

/** Tier of page `index` of each KV head. */
export type TierOf = (index: number, kvHead: number) => MemoryTier;

/** Makes tensors and pages of a backend and closes all of them when it is disposed. */
export class Scope {
  readonly #open: { close(): void }[] = [];

  /** Works on `backend`. */
  constructor(readonly backend: Backend) {}

  /** A tensor of the backend. */
  tensor(shape: readonly number[], data?: Float32Array, dtype: WeightDType = "f32"): Tensor {
    return this.keep(this.backend.tensor(shape, dtype, data));
  }

  /** Closes `value` with the scope. */
  keep<T extends { close(): void }>(value: T): T {
    this.#open.push(value);
    return value;
  }

  /** A page table with pages for `length` tokens. */
  table(
    kvHeads: number,
    dim: number,
    dtype: KvDType,
    length: number,
    tierOf: TierOf = () => "fast",
  ): PageTable {
    const table = this.backend.pageTable(kvHeads, { dim, dtype });
    for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
      for (let p = 0; p * PAGE_TOKENS < length; p++) {
        table.set(kvHead, p, this.keep(this.backend.page({ dim, dtype }, tierOf(p, kvHead))));
      }
    }
    return table;
  }

  /** A cache that holds `data`. */
  async kv(
    { k, v, length, kvHeads, dim }: KvData,
    dtype: KvDType = "f32",
    tierOf?: TierOf,
  ): Promise<KvView> {
    const table = this.table(kvHeads, dim, dtype, length, tierOf);
    const shape = [length, kvHeads, dim];
    const positions = Float32Array.from({ length }, (_, t) => t);
    await this.backend.append(table, 0, this.tensor(shape, k), this.tensor(shape, v), positions);
    return { table, length };
  }

  /** Closes everything. */
  [Symbol.dispose](): void {
    for (const value of this.#open.splice(0).reverse()) value.close();
  }
}
