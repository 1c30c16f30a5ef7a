/** How many elements a tensor has, and how many bytes they take. */
import { BLOCKS, type BlockType } from "../kernels/reference/blocks.ts";
import type { DType, KvDType, WeightDType } from "./backend.ts";

/** Bytes of an element. */
export const DTYPE_BYTES: Readonly<Record<DType | "f16", number>> = { f32: 4, bf16: 2, f16: 2 };

/** Bytes of an element of keys and values. */
export const KV_BYTES: Readonly<Record<KvDType, number>> = { f32: 4, bf16: 2, int8: 1 };

/** Number of each element type in the C ABI. */
export const DTYPE_CODES: Readonly<Record<WeightDType | KvDType, number>> = {
  f32: 0,
  bf16: 1,
  f16: 2,
  int8: 3,
  q4_0: 4,
  q4_1: 5,
  q5_0: 6,
  q5_1: 7,
  q8_0: 8,
  q4_k: 9,
  q5_k: 10,
  q6_k: 11,
};

/** Number of elements of a tensor of this shape. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether elements are stored in quantised blocks along a row. */
export function isBlocks(dtype: WeightDType): dtype is BlockType {
  return dtype in BLOCKS;
}

/** Elements that are stored together; rows consist of whole blocks. */
export function blockElements(dtype: WeightDType): number {
  return isBlocks(dtype) ? BLOCKS[dtype].elements : 1;
}

/** Bytes of `count` elements, which are whole blocks. */
export function bytesOf(dtype: WeightDType, count: number): number {
  if (!isBlocks(dtype)) return count * DTYPE_BYTES[dtype];
  const { elements, bytes } = BLOCKS[dtype];
  return count / elements * bytes;
}
