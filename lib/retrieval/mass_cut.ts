/** How many of the keys that were found are needed for a share of the attention. */
import type { TopKeys } from "../../ffi/backend.ts";
import { refusal } from "../../ffi/refusal.ts";

/** What a head attends to. */
export interface HeadMass {
  /** Multiplies scores in the softmax. */
  readonly scale: number;
  /** Log-sum-exp of the static keys. */
  readonly staticLse: number;
  /** Log-sum-exp of all keys of the index. */
  readonly indexLse: number;
}

/** Attention that some keys hold. */
export interface KeptMass {
  /** Keys that are kept, the best ones. */
  readonly kept: TopKeys;
  /** Share of the whole softmax that they and the static keys hold. */
  readonly mass: number;
}

/** Throws `RangeError` unless `mass` is a share that keys can be asked for. */
export function checkMass(action: string, mass: number): void {
  if (mass > 0 && mass <= 1) return;
  throw refusal(RangeError, action, "mass must be above 0 and at most 1", mass);
}

/**
 * The fewest best keys of `found` (falling scores) that together with the static keys hold `mass` of the softmax over static keys
 * and index; all of them where that is not enough.
 */
export function keysForMass(
  { indices, scores }: TopKeys,
  mass: number,
  { scale, staticLse, indexLse }: HeadMass,
): KeptMass {
  const scaled = scores.map((score) => scale * score);
  const whole = logSumExp([staticLse, indexLse], 1);
  let sum = Math.exp(staticLse - whole);
  let count = 0;
  while (count < scaled.length && !(sum >= mass)) sum += Math.exp(scaled[count++]! - whole);
  const kept = { indices: indices.slice(0, count), scores: scores.slice(0, count) };
  return { kept, mass: Math.min(1, sum) };
}

/** `log sum exp` of scaled scores. */
export function logSumExp(scores: ArrayLike<number>, scale: number): number {
  let largest = -Infinity;
  for (let i = 0; i < scores.length; i++) largest = Math.max(largest, scale * scores[i]!);
  if (largest === -Infinity) return largest;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp(scale * scores[i]! - largest);
  return largest + Math.log(sum);
}
