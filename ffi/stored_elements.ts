/** Elements as bytes in memory, and as numbers. */
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../kernels/reference/bf16.ts";
import { decodeBlocks, encodeBlocks } from "../kernels/reference/blocks.ts";
import type { WeightDType } from "./backend.ts";
import { isBlocks } from "./elements.ts";
import { BackendError } from "./errors.ts";

/** What bytes of `dtype` stand for. They must begin at a multiple of an element's size in their buffer. */
export function fromStored(bytes: Uint8Array, dtype: WeightDType): Float32Array {
  if (isBlocks(dtype)) return decodeBlocks(bytes, dtype);
  const { buffer, byteOffset, byteLength } = bytes;
  if (dtype === "f32") return new Float32Array(buffer, byteOffset, byteLength / 4);
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  return Float32Array.from(halves, dtype === "bf16" ? bf16ToF32 : f16ToF32);
}

/** Numbers as `dtype` (round to nearest even); blocks other than q8_0 and q4_1 are a `BackendError`. */
export function toStored(data: Float32Array, dtype: WeightDType): BufferSource {
  if (dtype === "f32") return data as Float32Array<ArrayBuffer>;
  if (dtype === "bf16") return Uint16Array.from(data, f32ToBf16);
  if (dtype === "f16") return Uint16Array.from(data, f32ToF16);
  if (dtype === "q8_0" || dtype === "q4_1") {
    return encodeBlocks(data, dtype) as Uint8Array<ArrayBuffer>;
  }
  throw new BackendError(`Cannot write a tensor of ${dtype} as only q8_0 and q4_1 can be made`);
}
