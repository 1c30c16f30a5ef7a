/** Distances of vectors to keys. */
import {
  cholesky,
  covariance,
  difference,
  inverseForm,
  meanDiagonal,
  meanVector,
  vectorOf,
  type Vectors,
} from "./vectors.ts";

/** Added to each variance, as a share of their mean: directions in which keys do not differ have none. */
const RIDGE = 1e-4;

/** (v - mean)' C^-1 (v - mean) / dim for mean and covariance C of the keys. */
export function mahalanobis(keys: Vectors, vectors: Vectors): Float64Array {
  const { dim } = keys;
  const mean = meanVector(keys);
  const matrix = covariance(keys, mean);
  const ridge = RIDGE * meanDiagonal(matrix, dim) || 1;
  for (let d = 0; d < dim; d++) matrix[d * dim + d]! += ridge;
  const lower = cholesky(matrix, dim);
  return Float64Array.from(
    { length: vectors.count },
    (_, i) => inverseForm(lower, difference(vectorOf(vectors, i), mean)) / dim,
  );
}

/** A vector whose nearest key is wanted. */
export interface Seeker {
  /** The vector. */
  readonly vector: Float64Array;
  /** Place of the key that does not count; `null` where all do. */
  readonly except: number | null;
}

/** The distance of each vector to the nearest key. */
export function nearest(keys: Vectors, seekers: readonly Seeker[]): Float64Array {
  return Float64Array.from(seekers, ({ vector, except }) => {
    let least = Infinity;
    for (let i = 0; i < keys.count; i++) {
      if (i !== except) least = Math.min(least, squared(vector, vectorOf(keys, i), least));
    }
    return Math.sqrt(least);
  });
}

/** The squared distance, or some number that is no less than `enough`. */
function squared(a: Float64Array, b: Float64Array, enough: number): number {
  let sum = 0;
  for (let d = 0; d < a.length && sum < enough; d++) sum += (a[d]! - b[d]!) ** 2;
  return sum;
}
