/** From the hidden state to queries, keys and values. */
import { linear, rmsNorm } from "./linear.ts";
import { rotate } from "./rope.ts";
import type { Steps } from "./steps.ts";

/** One of the three projections: weight `[heads * dim, hidden]`, bias `[heads * dim]`, head norm `[dim]`. */
export interface Projection {
  /** `[heads * dim, hidden]` */
  readonly weight: Float32Array;
  /** `[heads * dim]` */
  readonly bias: Float32Array | null;
  /** RMSNorm over each head, `[dim]`. */
  readonly headNorm: Float32Array | null;
  /** Rotary table of each head; `null` where the projection is not rotated. */
  readonly tableOfHead: Int32Array | null;
}

/** Rotary tables. */
export interface Rope {
  /** `[tables, tokens, half]` */
  readonly cos: Float32Array;
  /** `[tables, tokens, half]` */
  readonly sin: Float32Array;
  /** Pairs of dimensions that are turned. */
  readonly half: number;
}

/**
 * `y[t] = rotate(headNorm(W rmsnorm(x[t]) + b))` of each head; x `[T, hidden]`, norm `[hidden]`, y `[T, heads, dim]`.
 * q, k and v are three calls.
 */
export function* project(
  x: Float32Array,
  norm: Float32Array,
  eps: number,
  { weight, bias, headNorm, tableOfHead }: Projection,
  rope: Rope,
  dim: number,
  y: Float32Array,
): Steps {
  const hidden = norm.length;
  const tokens = x.length / hidden;
  const width = y.length / tokens;
  const row = new Float64Array(width);
  for (let t = 0; t < tokens; t++) {
    const normed = rmsNorm(x.subarray(t * hidden, (t + 1) * hidden), norm, eps);
    yield* linear(normed, weight, bias, row);
    for (let h = 0; h < width / dim; h++) {
      const projected = row.subarray(h * dim, (h + 1) * dim);
      const head = headNorm ? rmsNorm(projected, headNorm, eps) : projected;
      const start = ((tableOfHead?.[h] ?? 0) * tokens + t) * rope.half;
      if (tableOfHead) rotate(head, rope.cos, rope.sin, start, rope.half);
      y.set(head, t * width + h * dim);
    }
    yield;
  }
}
