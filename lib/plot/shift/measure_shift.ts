/** Measures how far queries are from keys. */
import { evenPlaces } from "../draw/bins.ts";
import { countDistances } from "./count_distances.ts";
import { mahalanobis, nearest, type Seeker } from "./distances.ts";
import type { HeadShift } from "./shift_data.ts";
import {
  covariance,
  difference,
  dot,
  mainDirection,
  meanDiagonal,
  meanVector,
  unit,
  vectorOf,
  type Vectors,
  vectorsWhere,
} from "./vectors.ts";

/** Queries and keys of a head, as attention multiplies them. */
export interface ShiftVectors {
  /** Its layer. */
  readonly layer: number;
  /** The query head. */
  readonly head: number;
  /** The head whose keys it attends to. */
  readonly kvHead: number;
  /** Numbers of a query and of a key. */
  readonly dim: number;
  /** Queries, `[count, dim]`. */
  readonly queries: ArrayLike<number>;
  /** Keys, `[count, dim]`; at least `4 * dim` of them, or their covariance means nothing. */
  readonly keys: ArrayLike<number>;
}

/** Vectors that are looked at, evenly spread; of keys `4 * dim` where that is more. */
const MOST = { keys: 2048, queries: 256 };
/** Keys for each dimension, of which half give the covariance. */
const KEYS_A_DIMENSION = 4;
/** Points that are drawn. */
const POINTS = 300;
/** Share of the spread that a difference of means must have to give a direction. */
const LEAST_DIFFERENCE = 1e-6;

/**
 * How far the queries of a head are from its keys: projections on the direction from the mean key to the mean query and
 * on the main direction of the keys across it, Mahalanobis distances to the keys, and distances to the nearest key. Long
 * inputs are thinned evenly, so that it takes a second at most. Keys are measured like queries: the covariance is of
 * every second key, the distances are those of the others, and no key is its own neighbour.
 *
 * @throws {TypeError} when an array is not `[count, dim]`
 * @throws {RangeError} when there are too few vectors or a number is not finite
 *
 * @example
 * ```ts
 * import { measureShift, plot } from "@longlens/longlens";
 *
 * function shiftOf(queries: Float32Array, keys: Float32Array) {
 *   return plot.queryKeyShift([measureShift({ layer: 2, head: 1, kvHead: 0, dim: 64, queries, keys })]);
 * }
 * ```
 */
export function measureShift(vectors: ShiftVectors): HeadShift {
  const { layer, head, kvHead, dim } = vectors;
  checkDim(dim);
  const leastKeys = KEYS_A_DIMENSION * dim;
  const keys = thinned("keys", vectors, Math.max(MOST.keys, leastKeys), leastKeys);
  const queries = thinned("queries", vectors, MOST.queries, 1);
  const fitted = vectorsWhere(keys, (place) => place % 2 === 0);
  const others = vectorsWhere(keys, (place) => place % 2 === 1);
  return {
    layer,
    head,
    kvHead,
    ...projections(keys, queries),
    mahalanobis: countDistances(mahalanobis(fitted, others), mahalanobis(fitted, queries)),
    nearest: countDistances(
      nearest(keys, seekersOf(keys, (place) => place)),
      nearest(keys, seekersOf(queries, () => null)),
    ),
  };
}

function projections(
  keys: Vectors,
  queries: Vectors,
): Pick<HeadShift, "keys" | "queries" | "axes"> {
  const mean = meanVector(keys);
  const spread = covariance(keys, mean);
  const least = LEAST_DIFFERENCE * Math.sqrt(meanDiagonal(spread, keys.dim));
  const shift = unit(difference(meanVector(queries), mean), least);
  const first = shift ?? mainDirection(spread, keys.dim, []);
  const second = mainDirection(spread, keys.dim, [first]);
  const project = (vectors: Vectors) => projected(vectors, mean, [first, second]);
  const points = { keys: project(keys), queries: project(queries) };
  return shift ? points : { ...points, axes: ["main direction of the keys", "the second one"] };
}

/** At most as many vectors as queries are looked at, evenly spread. */
function seekersOf(vectors: Vectors, exceptOf: (place: number) => number | null): Seeker[] {
  return evenPlaces(vectors.count, MOST.queries)
    .map((place) => ({ vector: vectorOf(vectors, place), except: exceptOf(place) }));
}

/** At most {@link POINTS} vectors on two directions, `[count, 2]`. */
function projected(
  vectors: Vectors,
  origin: Float64Array,
  directions: readonly Float64Array[],
): Float32Array {
  const points = evenPlaces(vectors.count, POINTS).flatMap((place) => {
    const apart = difference(vectorOf(vectors, place), origin);
    return directions.map((direction) => dot(apart, direction));
  });
  return Float32Array.from(points);
}

/** At most so many vectors of an array, evenly spread. */
function thinned(
  name: "keys" | "queries",
  vectors: ShiftVectors,
  most: number,
  least: number,
): Vectors {
  const { dim, [name]: all } = vectors;
  if (all.length % dim !== 0) {
    throw new TypeError(
      `Cannot measure the shift as ${name} must be [count, ${dim}]: current length is ${all.length}`,
    );
  }
  if (all.length < least * dim) throw wrong(`${name} must be >= ${least}`, all.length / dim);
  const places = evenPlaces(all.length / dim, most);
  const values = Float64Array.from(
    { length: places.length * dim },
    (_, i) => all[places[Math.floor(i / dim)]! * dim + i % dim]!,
  );
  const wild = values.find((value) => !Number.isFinite(value));
  if (wild !== undefined) throw wrong(`${name} must be finite`, wild);
  return { count: places.length, dim, values };
}

function checkDim(dim: number): void {
  if (!Number.isSafeInteger(dim) || dim < 2) throw wrong("dim must be a whole number >= 2", dim);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot measure the shift as ${rule}: current value is ${value}`);
}
