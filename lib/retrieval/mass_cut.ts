/** How many of the keys that were found are needed for a share of the attention. */

/** Attention that some keys hold. */
export interface KeptMass {
  /** Keys that are kept, the best ones. */
  readonly kept: number;
  /** Share of the whole softmax that they and the static keys hold. */
  readonly mass: number;
}

/**
 * The least number of `scores` (falling, scaled) that together with the static keys hold `mass` of the softmax over static keys and
 * index; all of them where that is not enough.
 *
 * @param staticLse log-sum-exp of the static keys
 * @param indexLse log-sum-exp of all keys of the index
 */
export function keysForMass(
  scores: ArrayLike<number>,
  staticLse: number,
  indexLse: number,
  mass: number,
): KeptMass {
  const whole = logAdd(staticLse, indexLse);
  const share = (sum: number) => Math.min(1, sum);
  let sum = Math.exp(staticLse - whole);
  for (let kept = 0; kept < scores.length; kept++) {
    if (sum >= mass) return { kept, mass: share(sum) };
    sum += Math.exp(scores[kept]! - whole);
  }
  return { kept: scores.length, mass: share(sum) };
}

/** `log(exp(a) + exp(b))` */
export function logAdd(a: number, b: number): number {
  const largest = Math.max(a, b);
  return largest === -Infinity
    ? largest
    : largest + Math.log(Math.exp(a - largest) + Math.exp(b - largest));
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
