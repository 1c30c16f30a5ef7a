import { type Random, seededRandom } from "./random.ts";

/** Throws `RangeError` unless a seed is a whole number. */
export function checkSeed(action: string, seed: number): void {
  if (Number.isSafeInteger(seed)) return;
  throw new RangeError(
    `Cannot ${action} as seed must be a whole number: current value is ${seed}`,
  );
}

/** Numbers that depend on the seed and a token's place alone, so that forks and repeated steps agree. */
export function randomAt(seed: number, index: number): Random {
  return seededRandom(Math.imul(seed, 0x9e3779b1) + index);
}
