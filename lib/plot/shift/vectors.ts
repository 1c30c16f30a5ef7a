/** Algebra of vectors and small symmetric matrices, in float64. */

/** Vectors below each other. */
export interface Vectors {
  /** How many. */
  readonly count: number;
  /** Numbers of each. */
  readonly dim: number;
  /** `[count, dim]`. */
  readonly values: Float64Array;
}

/** One of the vectors, not copied. */
export function vectorOf({ dim, values }: Vectors, i: number): Float64Array {
  return values.subarray(i * dim, (i + 1) * dim);
}

/** Those vectors whose place passes. */
export function vectorsWhere(vectors: Vectors, isWanted: (place: number) => boolean): Vectors {
  const places = Array.from({ length: vectors.count }, (_, i) => i).filter(isWanted);
  const values = new Float64Array(places.length * vectors.dim);
  places.forEach((place, i) => values.set(vectorOf(vectors, place), i * vectors.dim));
  return { count: places.length, dim: vectors.dim, values };
}

/** The mean, `[dim]`. */
export function meanVector(vectors: Vectors): Float64Array {
  const mean = new Float64Array(vectors.dim);
  for (let i = 0; i < vectors.count; i++) {
    vectorOf(vectors, i).forEach((value, d) => mean[d]! += value / vectors.count);
  }
  return mean;
}

/** The difference of two vectors, `[dim]`. */
export function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, d) => value - b[d]!);
}

/** The inner product. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

/** A vector of length 1 in the same direction; `null` for one that is no longer than `least`. */
export function unit(vector: Float64Array, least = 0): Float64Array | null {
  const length = Math.sqrt(dot(vector, vector));
  return length > least ? vector.map((value) => value / length) : null;
}

/** Covariance about a mean, `[dim, dim]`, the mean of products over the vectors. */
export function covariance(vectors: Vectors, mean: Float64Array): Float64Array {
  const { count, dim } = vectors;
  const sums = new Float64Array(dim * dim);
  for (let i = 0; i < count; i++) {
    const apart = difference(vectorOf(vectors, i), mean);
    for (let row = 0; row < dim; row++) {
      const [factor, at] = [apart[row]! / count, row * dim];
      for (let column = 0; column <= row; column++) sums[at + column]! += factor * apart[column]!;
    }
  }
  return sums.map((_, at) => {
    const [row, column] = [Math.floor(at / dim), at % dim];
    return sums[row >= column ? at : column * dim + row]!;
  });
}

/** The mean of the diagonal. */
export function meanDiagonal(matrix: Float64Array, dim: number): number {
  let sum = 0;
  for (let d = 0; d < dim; d++) sum += matrix[d * dim + d]!;
  return sum / dim;
}

/** Lower triangle L of a symmetric positive definite matrix, L L' = matrix, `[dim, dim]`. */
export function cholesky(matrix: Float64Array, dim: number): Float64Array {
  const lower = new Float64Array(dim * dim);
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * dim + column]!;
      for (let k = 0; k < column; k++) sum -= lower[row * dim + k]! * lower[column * dim + k]!;
      lower[row * dim + column] = row === column
        ? Math.sqrt(sum)
        : sum / lower[column * dim + column]!;
    }
  }
  return lower;
}

/** The squared length of `L^-1 vector`: vector' (L L')^-1 vector. */
export function inverseForm(lower: Float64Array, vector: Float64Array): number {
  const dim = vector.length;
  const solved = new Float64Array(dim);
  for (let row = 0; row < dim; row++) {
    let sum = vector[row]!;
    for (let k = 0; k < row; k++) sum -= lower[row * dim + k]! * solved[k]!;
    solved[row] = sum / lower[row * dim + row]!;
  }
  return dot(solved, solved);
}

const MOST_TURNS = 500;
const CLOSE = 1e-12;

/**
 * The direction of a symmetric positive matrix's largest part at right angles to some directions, by power iteration;
 * its largest number is positive.
 */
export function mainDirection(
  matrix: Float64Array,
  dim: number,
  others: readonly Float64Array[],
): Float64Array {
  let direction = across(Float64Array.from({ length: dim }, (_, d) => Math.sin(d + 1)), others)!;
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const next = across(product(matrix, direction), others);
    if (next === null) break;
    const moved = difference(next, direction);
    direction = next;
    if (dot(moved, moved) < CLOSE ** 2) break;
  }
  const largest = direction.reduce((a, b) => Math.abs(b) > Math.abs(a) ? b : a);
  return direction.map((value) => value * Math.sign(largest));
}

function product(matrix: Float64Array, vector: Float64Array): Float64Array {
  const dim = vector.length;
  return vector.map((_, row) => dot(matrix.subarray(row * dim, (row + 1) * dim), vector));
}

/** The part at right angles to unit vectors, of length 1; `null` where there is none. */
function across(vector: Float64Array, others: readonly Float64Array[]): Float64Array | null {
  let rest = vector;
  for (const other of others) {
    const along = dot(rest, other);
    rest = rest.map((value, d) => value - along * other[d]!);
  }
  return unit(rest);
}
