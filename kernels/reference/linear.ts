/** Matrix products, RMSNorm and the embedding look-up. Products accumulate in float64. */
import type { Steps } from "./steps.ts";

/** Numbers of either precision. */
export type Floats = Float32Array | Float64Array;

/** `sum a[aStart + i] * b[bStart + i]` over `i < count`. */
export function dot(a: Floats, aStart: number, b: Floats, bStart: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}

/** `y = W x + bias`; x `[in]`, W `[out, in]`, bias `[out]`, y `[out]`. */
export function* linear(x: Floats, w: Float32Array, bias: Float32Array | null, y: Floats): Steps {
  for (let o = 0; o < y.length; o++) {
    y[o] = dot(x, 0, w, o * x.length, x.length) + (bias ? bias[o]! : 0);
    if (o % 64 === 63) yield;
  }
}

/** `x / sqrt(mean(x^2) + eps) * norm`; x and norm `[hidden]`. */
export function rmsNorm(x: Floats, norm: Float32Array, eps: number): Float64Array {
  const scale = 1 / Math.sqrt(dot(x, 0, x, 0, x.length) / x.length + eps);
  return Float64Array.from(x, (value, i) => value * scale * norm[i]!);
}

/** `out[t] = scale * table[ids[t]]`; ids `[T]`, table `[vocab, hidden]`, out `[T, hidden]`. */
export function embed(
  ids: Int32Array,
  table: Float32Array,
  scale: number,
  out: Float32Array,
): void {
  const hidden = out.length / ids.length;
  for (let i = 0; i < out.length; i++) {
    out[i] = scale * table[ids[Math.floor(i / hidden)]! * hidden + (i % hidden)]!;
  }
}
