/** Attention of one head written out in float64: the softmax over the keys that a mask shows, row by row. */

/** Queries, keys and values of a layer: `[tokens, heads, dim]`, k and v `[tokens, kvHeads, dim]`. */
export interface LayerRows {
  /** Queries. */
  readonly q: Float32Array;
  /** Keys. */
  readonly k: Float32Array;
  /** Values. */
  readonly v: Float32Array;
}

/** Shape of a layer. */
export interface RowShape {
  /** Query heads. */
  readonly heads: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
  /** Multiplies q.k. */
  readonly scale: number;
}

/** How attention under a mask compares with attention to every key, over all rows of a head. */
export function compareByHand(
  { q, k, v }: LayerRows,
  { heads, kvHeads, dim, scale }: RowShape,
  head: number,
  sees: (i: number, j: number) => boolean,
): { mass: number; error: number } {
  const tokens = q.length / (heads * dim);
  const kvHead = Math.floor(head * kvHeads / heads);
  let [mass, difference, norm] = [0, 0, 0];
  for (let i = 0; i < tokens; i++) {
    const weights = Array.from({ length: i + 1 }, (_, j) => {
      let score = 0;
      for (let c = 0; c < dim; c++) {
        score += q[(i * heads + head) * dim + c]! * k[(j * kvHeads + kvHead) * dim + c]!;
      }
      return Math.exp(scale * score);
    });
    const sum = (of: (j: number) => number) =>
      weights.reduce((total, weight, j) => total + weight * of(j), 0);
    const [all, kept] = [sum(() => 1), sum((j) => sees(i, j) ? 1 : 0)];
    mass += kept / all;
    for (let c = 0; c < dim; c++) {
      const value = (j: number) => v[(j * kvHeads + kvHead) * dim + c]!;
      const whole = sum(value) / all;
      const part = kept === 0 ? 0 : sum((j) => sees(i, j) ? value(j) : 0) / kept;
      difference += (part - whole) ** 2;
      norm += whole ** 2;
    }
  }
  return { mass: mass / tokens, error: Math.sqrt(difference / norm) };
}
