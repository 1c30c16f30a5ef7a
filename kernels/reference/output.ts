/** From the attention's result to the next layer's hidden state, and to logits. */
import { linear, rmsNorm } from "./linear.ts";
import type { Steps } from "./steps.ts";

/** Weights of a layer after attention. */
export interface FeedForward {
  /** `[hidden, heads * dim]` */
  readonly wo: Float32Array;
  /** `[hidden]` */
  readonly attentionPostNorm: Float32Array | null;
  /** `[hidden]` */
  readonly norm: Float32Array;
  /** RMSNorm epsilon. */
  readonly eps: number;
  /** `[ffn, hidden]` */
  readonly wGate: Float32Array;
  /** `[ffn, hidden]` */
  readonly wUp: Float32Array;
  /** `[hidden, ffn]` */
  readonly wDown: Float32Array;
  /** `[hidden]` */
  readonly ffnPostNorm: Float32Array | null;
  /** {@link silu} or {@link geluTanh} */
  readonly activate: (x: number) => number;
}

/** `x / (1 + exp(-x))` */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` */
export function geluTanh(x: number): number {
  return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/**
 * `y = x + Wo a; h = rmsnorm(y); x <- y + Wdown (act(Wgate h) * Wup h)` for each row, in place; what is added passes its
 * post-norm first, if any.
 *
 * @param x `[T, hidden]`
 * @param attention a, `[T, heads * dim]`
 */
export function* output(x: Float32Array, attention: Float32Array, weights: FeedForward): Steps {
  const { wo, norm, eps, wGate, wUp, wDown, activate } = weights;
  const through = (rows: Float64Array, postNorm: Float32Array | null) =>
    postNorm ? rmsNorm(rows, postNorm, eps) : rows;
  const hidden = norm.length;
  const tokens = x.length / hidden;
  const width = attention.length / tokens;
  const added = new Float64Array(hidden);
  const y = new Float64Array(hidden);
  const gate = new Float64Array(wGate.length / hidden);
  const up = new Float64Array(gate.length);
  for (let t = 0; t < tokens; t++) {
    yield* linear(attention.subarray(t * width, (t + 1) * width), wo, null, added);
    const attended = through(added, weights.attentionPostNorm);
    for (let i = 0; i < hidden; i++) y[i] = x[t * hidden + i]! + attended[i]!;
    const h = rmsNorm(y, norm, eps);
    yield* linear(h, wGate, null, gate);
    yield* linear(h, wUp, null, up);
    for (let i = 0; i < gate.length; i++) gate[i] = activate(gate[i]!) * up[i]!;
    yield* linear(gate, wDown, null, added);
    const down = through(added, weights.ffnPostNorm);
    for (let i = 0; i < hidden; i++) x[t * hidden + i] = y[i]! + down[i]!;
    yield;
  }
}

/** `out[t] = head rmsnorm(x[t])`; x `[T, hidden]`, norm `[hidden]`, head `[vocab, hidden]`, out `[T, vocab]`. */
export function* logits(
  x: Float32Array,
  norm: Float32Array,
  eps: number,
  head: Float32Array,
  out: Float32Array,
): Steps {
  const hidden = norm.length;
  const tokens = x.length / hidden;
  const vocab = out.length / tokens;
  for (let t = 0; t < tokens; t++) {
    const h = rmsNorm(x.subarray(t * hidden, (t + 1) * hidden), norm, eps);
    yield* linear(h, head, null, out.subarray(t * vocab, (t + 1) * vocab));
    yield;
  }
}

/** `out[t] = logits[t][targets[t]] - log sum exp logits[t]`; logits `[T, vocab]`, targets and out `[T]`. */
export function logProbs(logits: Float32Array, targets: Int32Array): Float32Array {
  const vocab = logits.length / targets.length;
  return Float32Array.from(targets, (target, t) => {
    const row = logits.subarray(t * vocab, (t + 1) * vocab);
    return row[target]! - logSumExp(row);
  });
}

/** `log sum exp x`, shifted by the maximum so that nothing overflows; `-Infinity` for no elements. */
export function logSumExp(x: ArrayLike<number>): number {
  let max = -Infinity;
  for (let i = 0; i < x.length; i++) max = Math.max(max, x[i]!);
  if (max === -Infinity) return -Infinity;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.exp(x[i]! - max);
  return max + Math.log(sum);
}
