/**
 * Places of the `k` largest scores, rising; of equal scores the first ones. `-Infinity` is never taken. `sorted`, the scores in
 * rising order, saves the sorting to who asks again.
 */
export function topIndices(
  scores: Float32Array,
  k: number,
  sorted: () => Float32Array = () => scores.slice().sort(),
): number[] {
  if (k <= 0) return [];
  const threshold = k < scores.length ? sorted()[scores.length - k]! : -Infinity;
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
