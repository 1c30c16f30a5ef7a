/** How many elements a tensor has, and how many bytes each takes. */
import type { FileDType, KvDType } from "./backend.ts";

/** Bytes of an element. */
export const DTYPE_BYTES: Readonly<Record<FileDType, number>> = { f32: 4, bf16: 2, f16: 2 };

/** Bytes of an element of keys and values. */
export const KV_BYTES: Readonly<Record<KvDType, number>> = { f32: 4, bf16: 2, int8: 1 };

/** Number of elements of a tensor of this shape. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
