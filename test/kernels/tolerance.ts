/** How close two backends must be, and the comparison. */
import { assert, assertEquals } from "@std/assert";

/** Largest `max|a - b| / max|b|` of an output row. */
export const TOLERANCE = {
  /** f32 in and out, f32 sums of at most a few thousand terms: the rounding of some hundred steps of 6e-8. */
  f32: 1e-5,
  /** Both sides round keys, values or weights to bf16 in the same way, and then compute as in f32. */
  sameBf16: 1e-5,
  /** bf16 keys and values against unrounded ones: 8 bits of mantissa, 4e-3 an element, in scores and in values. */
  bf16: 2e-2,
  /** int8 keys and values against unrounded ones: up to 2 / 127 of the largest of a channel, 1 / 127 of a value. */
  int8: 8e-2,
  /** Operands that bf16 holds, but probabilities that are rounded to it: 2e-3 each, of rows that may cancel. */
  bf16Products: 1e-2,
  /** Products with quantised blocks: activations of 16 bits, 2^-16 of the largest of 32 each, in sums that may cancel. */
  blocks: 1e-4,
  /** Two exponentials and a sum. */
  merge: 1e-6,
  /** Scores of some hundreds: their f32 rounding, 3e-5, is the relative error of the probabilities. */
  largeScores: 1e-3,
} as const;

/**
 * Largest error of a sum of `count` products that are all rounded upwards to f32, relative to the sum of their sizes, beside
 * such a sum of f64: a product goes through its own rounding, as many additions as there are products and one of the two
 * parts of a bound, the expected sum through one. Higham's `n u / (1 - n u)`.
 */
export function upwardsTolerance(count: number): number {
  const nu = (count + 3) * 2 ** -23;
  return nu / (1 - nu);
}

/** Result of an operation: rows that are judged one by one. */
export interface Outcome {
  /** What it is, for the message. */
  readonly name: string;
  /** Elements, row after row. */
  readonly values: Float32Array;
  /** Elements of a row. */
  readonly width: number;
  /** Least denominator of the relative error: 0, or 1 for logarithms, which may lie near 0. */
  readonly floor?: number;
}

/** Fails where a row of `actual` is further from `expected` than `tolerance`, or is not finite where that is. */
export function assertClose(actual: Outcome, expected: Outcome, tolerance: number): void {
  const { name, width, floor = 0 } = expected;
  assertEquals(actual.values.length, expected.values.length, `${name}: length`);
  for (let first = 0; first < expected.values.length; first += width) {
    let error = 0;
    let size = floor;
    for (let i = first; i < first + width; i++) {
      const wanted = expected.values[i]!;
      if (Object.is(actual.values[i], wanted)) continue;
      error = Math.max(error, Math.abs(actual.values[i]! - wanted));
      if (Number.isNaN(actual.values[i])) error = Infinity;
    }
    for (const wanted of expected.values.subarray(first, first + width)) {
      if (Number.isFinite(wanted)) size = Math.max(size, Math.abs(wanted));
    }
    const message = `${name}, row ${
      first / width
    }: error ${error} of ${size} is above ${tolerance}`;
    assert(error <= tolerance * size, message);
  }
}
