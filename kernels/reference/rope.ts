/** Rotary position embedding, rotating halves. */

/**
 * Turns one head in place: `(x[i], x[i + half]) -> (x[i] cos - x[i + half] sin, x[i + half] cos + x[i] sin)` for `i < half`;
 * dimensions from `2 half` on stay.
 *
 * @param x `[dim]`
 * @param cos table; `cos[start .. start + half - 1]` belongs to this token
 * @param sin table like `cos`
 */
export function rotate(
  x: Float64Array,
  cos: Float32Array,
  sin: Float32Array,
  start: number,
  half: number,
): void {
  for (let i = 0; i < half; i++) {
    const a = x[i]!;
    const b = x[i + half]!;
    x[i] = a * cos[start + i]! - b * sin[start + i]!;
    x[i + half] = b * cos[start + i]! + a * sin[start + i]!;
  }
}
