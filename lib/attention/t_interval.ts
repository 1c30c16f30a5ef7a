/** Student's interval of a mean. */

/** A mean and half the width of its interval. */
export interface MeanInterval {
  /** The mean. */
  readonly mean: number;
  /** Half the width; infinite for one value. */
  readonly half: number;
}

/** The interval that misses the mean of a normal distribution with probability `miss`, by values drawn from it. */
export function tInterval(values: readonly number[], miss: number): MeanInterval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, half: Infinity };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = tQuantile(1 - miss / 2, count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { mean, half };
}

/** Quantile `p` (above 1/2) of Student's distribution: the distribution function, bisected. */
export function tQuantile(p: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (tBelow(high, freedom) < p) high *= 2;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (tBelow(middle, freedom) < p) low = middle;
    else high = middle;
  }
  return high;
}

/** Probability of values below `t >= 0`: the finite series for whole numbers of degrees of freedom (Abramowitz and Stegun 26.7.3-4). */
function tBelow(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const [sine, square] = [Math.sin(angle), Math.cos(angle) ** 2];
  const isOdd = freedom % 2 === 1;
  let [term, sum] = isOdd ? [Math.cos(angle), 0] : [1, 0];
  for (let k = isOdd ? 3 : 2; k <= freedom; k += 2) {
    sum += term;
    term *= square * (k - 1) / k;
  }
  const inside = isOdd ? 2 / Math.PI * (angle + sine * sum) : sine * sum;
  return (1 + inside) / 2;
}
