/** The 16-bit float formats: bf16 is the upper half of an f32, f16 is IEEE half precision. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Upper 16 bits of `value` as f32, rounded to nearest even; NaN stays NaN. */
export function f32ToBf16(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  if (Number.isNaN(value)) return (word >>> 16) | 0x40;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The f32 whose upper half is `half`. */
export function bf16ToF32(half: number): number {
  bits[0] = half << 16;
  return float[0]!;
}

/** The value of a half precision float: sign, 5 bits of exponent, 10 bits of fraction. */
export function f16ToF32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** `value` as f32, rounded to the nearest half precision float, to even; infinity from 65520 on; NaN stays NaN. */
export function f32ToF16(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const word = bits[0]! & 0x7fffffff;
  if (Number.isNaN(value)) return sign | 0x7e00;
  // below 2^-14 a half has no leading 1; a sum of 2^52 or more is rounded to integers
  if (word < 0x38800000) return sign | (Math.abs(float[0]!) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  const rounded = (word - 0x38000000 + 0xfff + ((word >>> 13) & 1)) >>> 13;
  return sign | Math.min(rounded, 0x7c00);
}

/** Rounds every element to the nearest bf16, in place, and returns the array. */
export function roundToBf16(values: Float32Array): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = bf16ToF32(f32ToBf16(values[i]!));
  return values;
}
