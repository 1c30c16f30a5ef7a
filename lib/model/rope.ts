/**
 * Rotary frequencies and tables.
 *
 * `angle(t, i) = position(t) * inverse[i]`, `cos` and `sin` of it times the attention factor. Frequencies are those of
 * transformers' `ROPE_INIT_FUNCTIONS`, in float64.
 */
import type { RopeConfig, RopeScaling } from "./types.ts";

/** Frequencies of a rotary embedding. */
export interface RopeFrequencies {
  /** Radians per position, `[rot / 2]`. */
  readonly inverse: Float64Array;
  /** Multiplies cos and sin. */
  readonly attentionFactor: number;
}

/** Tables of a rotary embedding for given positions, each `[tokens, rot / 2]`. */
export interface RopeTable {
  /** Cosines. */
  readonly cos: Float32Array;
  /** Sines. */
  readonly sin: Float32Array;
}

type Scaling<T extends RopeScaling["type"]> = Extract<RopeScaling, { type: T }>;

/**
 * The frequencies for a context of `contextTokens` tokens. Only `dynamic` and `longrope` depend on it: transformers
 * chooses anew when a text grows beyond the original positions, and for `longrope` computes all keys again; here the
 * caller fixes `contextTokens` once, so that the keys of a cache stay as they are and share one set of frequencies.
 */
export function ropeFrequencies(rope: RopeConfig, contextTokens: number): RopeFrequencies {
  const { scaling } = rope;
  const attentionFactor = "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  return { inverse: scaledInverse(rope, scaling, contextTokens), attentionFactor };
}

/** Cosines and sines at `positions`, which may be fractional. */
export function ropeTable(
  rope: RopeConfig,
  positions: Float32Array | Float64Array,
  contextTokens: number,
): RopeTable {
  const { inverse, attentionFactor } = ropeFrequencies(rope, contextTokens);
  const half = inverse.length;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  for (let t = 0; t < positions.length; t++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[t]! * inverse[i]!;
      cos[t * half + i] = Math.cos(angle) * attentionFactor;
      sin[t * half + i] = Math.sin(angle) * attentionFactor;
    }
  }
  return { cos, sin };
}

function scaledInverse(rope: RopeConfig, scaling: RopeScaling, contextTokens: number) {
  switch (scaling.type) {
    case "default":
      return plainInverse(rope.theta, rope.rot);
    case "linear":
      return plainInverse(rope.theta, rope.rot).map((inverse) => inverse / scaling.factor);
    case "dynamic":
      return plainInverse(dynamicTheta(rope, scaling, contextTokens), rope.rot);
    case "llama3":
      return plainInverse(rope.theta, rope.rot).map((inverse) => llama3Inverse(inverse, scaling));
    case "yarn":
      return yarnInverse(rope, scaling);
    case "longrope":
      return longropeInverse(rope, scaling, contextTokens);
  }
}

function plainInverse(theta: number, rot: number): Float64Array {
  return Float64Array.from({ length: rot / 2 }, (_, i) => theta ** (-2 * i / rot));
}

function dynamicTheta(rope: RopeConfig, scaling: Scaling<"dynamic">, contextTokens: number) {
  const { factor, originalMaxPositions } = scaling;
  const tokens = Math.max(contextTokens, originalMaxPositions);
  const growth = factor * tokens / originalMaxPositions - (factor - 1);
  return rope.theta * growth ** (rope.rot / (rope.rot - 2));
}

function llama3Inverse(inverse: number, scaling: Scaling<"llama3">): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  const turns = originalMaxPositions * inverse / (2 * Math.PI);
  if (turns < lowFreqFactor) return inverse / factor;
  if (turns > highFreqFactor) return inverse;
  const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return (1 - smooth) * inverse / factor + smooth * inverse;
}

function yarnInverse(rope: RopeConfig, scaling: Scaling<"yarn">): Float64Array {
  const [low, high] = yarnRange(rope, scaling);
  return plainInverse(rope.theta, rope.rot).map((inverse, i) => {
    const ramp = Math.min(Math.max((i - low) / (high - low), 0), 1);
    return inverse / scaling.factor * ramp + inverse * (1 - ramp);
  });
}

/** The dimensions between which YaRN goes from extrapolation to interpolation. */
function yarnRange(rope: RopeConfig, scaling: Scaling<"yarn">): [low: number, high: number] {
  let low = yarnDimension(scaling.betaFast, rope, scaling);
  let high = yarnDimension(scaling.betaSlow, rope, scaling);
  if (scaling.truncate) {
    low = Math.floor(low);
    high = Math.ceil(high);
  }
  low = Math.max(low, 0);
  high = Math.min(high, rope.rot - 1);
  return [low, low === high ? high + 0.001 : high];
}

/** The dimension that makes `turns` turns within the original context. */
function yarnDimension(turns: number, rope: RopeConfig, scaling: Scaling<"yarn">): number {
  const positions = scaling.originalMaxPositions / (turns * 2 * Math.PI);
  return rope.rot * Math.log(positions) / (2 * Math.log(rope.theta));
}

function longropeInverse(rope: RopeConfig, scaling: Scaling<"longrope">, contextTokens: number) {
  const { shortFactor, longFactor, originalMaxPositions } = scaling;
  const factor = contextTokens > originalMaxPositions ? longFactor : shortFactor;
  return plainInverse(rope.theta, rope.rot).map((inverse, i) => inverse / factor[i]!);
}
