/**
 * Places of the `k` largest scores, rising; of equal scores the first ones. `-Infinity` is never taken. `sorted`, the scores in
 * rising order, spares who asks again the search for the least score that is taken.
 */
export function topIndices(
  scores: Float32Array,
  k: number,
  sorted?: () => Float32Array,
): number[] {
  if (k <= 0) return [];
  const threshold = leastOfTop(scores, k, sorted);
  let ties = k;
  for (const score of scores) if (score > threshold) ties--;
  const taken: number[] = [];
  for (let i = 0; i < scores.length && taken.length < k; i++) {
    const score = scores[i]!;
    if (score === -Infinity || !(score >= threshold)) continue;
    if (score === threshold && ties-- <= 0) continue;
    taken.push(i);
  }
  return taken;
}

function leastOfTop(scores: Float32Array, k: number, sorted?: () => Float32Array): number {
  if (k >= scores.length) return -Infinity;
  return sorted ? sorted()[scores.length - k]! : largest(scores, k);
}

/** Bits of a score that tell which bin it is counted in: its sign, its exponent, three of its mantissa. */
const BIN_BITS = 12;

/** The `k`-th largest score: found among those of its bin, as all bins before it hold fewer than `k`. */
function largest(scores: Float32Array, k: number): number {
  const bits = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  const counts = new Int32Array(1 << BIN_BITS);
  for (let i = 0; i < bits.length; i++) counts[binOf(bits[i]!)]!++;
  let [bin, left] = [counts.length - 1, k];
  while (left > counts[bin]!) left -= counts[bin--]!;
  const own = new Float32Array(counts[bin]!);
  for (let i = 0, x = 0; i < bits.length; i++) {
    if (binOf(bits[i]!) === bin) own[x++] = scores[i]!;
  }
  return own.sort()[own.length - left]!;
}

/** Rises with the number that has these bits. */
function binOf(bits: number): number {
  return (bits ^ (bits >> 31 | 1 << 31)) >>> (32 - BIN_BITS);
}
