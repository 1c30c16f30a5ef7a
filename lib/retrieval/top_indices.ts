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
  const place = scores.length - k;
  return sorted ? sorted()[place]! : select(scores.slice(), place);
}

/** The value that sorting would put at `place`, by Hoare's selection. Reorders `values`. */
function select(values: Float32Array, place: number): number {
  let low = 0, high = values.length - 1;
  while (low < high) {
    // Not the middle: scores that peak there are common, and would cost quadratic time.
    const pivot = values[low + ((high - low) * 5 >> 3)]!;
    let i = low, j = high;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const value = values[i]!;
      values[i++] = values[j]!;
      values[j--] = value;
    }
    if (place <= j) high = j;
    else if (place >= i) low = i;
    else return pivot;
  }
  return values[place]!;
}
