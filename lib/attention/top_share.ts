/** How many of the largest scores hold a share of their sum. Sums are float64, in falling order. */
import { topIndices } from "../retrieval/top_indices.ts";

/** Options of {@link topShare}. */
export interface TopShareOptions {
  /**
   * Places that are always taken, none twice.
   * @default []
   */
  readonly forced?: readonly number[];
  /**
   * Places to take at least, where there are so many.
   * @default 0
   */
  readonly least?: number;
  /**
   * Places to take at most; forced ones are taken even beyond it.
   * @default Infinity
   */
  readonly most?: number;
}

/**
 * The forced places and the fewest largest others with which they hold `share` of the sum of all, rising; of equal scores the
 * first ones. No score is below 0.
 */
export function topShare(
  scores: Float32Array,
  share: number,
  { forced = [], least = 0, most = Infinity }: TopShareOptions = {},
): number[] {
  const others = scores.slice();
  let held = 0;
  for (const place of forced) {
    held += scores[place]!;
    others[place] = -Infinity;
  }
  const rising = others.slice().sort();
  const wanted = forced.length + countReaching(rising, share, held);
  const count = Math.min(Math.max(wanted, least), most, scores.length) - forced.length;
  const taken = topIndices(others, count, () => rising);
  return [...forced, ...taken].sort((a, b) => a - b);
}

/** How many of the largest scores sum up to `limit` or less: the score that crosses it is not counted. */
export function countWithin(scores: Float32Array, limit: number): number {
  const rising = scores.slice().sort();
  let sum = 0;
  let next = rising.length;
  while (next > 0 && (sum += rising[next - 1]!) <= limit) next--;
  return rising.length - next;
}

/** How many of the largest scores, with `held` of others, reach `share` of everything. */
function countReaching(rising: Float32Array, share: number, held: number): number {
  const needed = share * sumFalling(rising, held);
  let next = rising.length;
  for (let sum = held; next > 0 && rising[next - 1]! > 0 && sum < needed; next--) {
    sum += rising[next - 1]!;
  }
  return rising.length - next;
}

/** In the order in which `countReaching()` adds, so that a share of 1 is reached by the last score above 0. */
function sumFalling(rising: Float32Array, held: number): number {
  let sum = held;
  for (let i = rising.length - 1; i >= 0 && rising[i]! > 0; i--) sum += rising[i]!;
  return sum;
}
