/** How far the queries of a head are from its keys, and the check that it can be drawn. */

/** Distances of vectors, counted in bins. */
export interface CountedDistances {
  /** How many are in each bin. */
  readonly counts: ArrayLike<number>;
  /** Their median. */
  readonly median: number;
}

/** Distances of keys and of queries to the keys, in the same bins. */
export interface ShiftDistances {
  /** Ends of the bins, above 0 and rising: one more than there are bins. */
  readonly edges: ArrayLike<number>;
  /** Those of keys. */
  readonly keys: CountedDistances;
  /** Those of queries. */
  readonly queries: CountedDistances;
}

/** Where a query head looks from, and where its keys are. */
export interface HeadShift {
  /** Its layer. */
  readonly layer: number;
  /** The query head. */
  readonly head: number;
  /** The head whose keys it attends to. */
  readonly kvHead: number;
  /** Keys, projected on two directions, `[count, 2]`. */
  readonly keys: ArrayLike<number>;
  /** Queries, projected on the same, `[count, 2]`. */
  readonly queries: ArrayLike<number>;
  /**
   * What the two directions are.
   * @default that of the difference of means, and the main one of the keys across it
   */
  readonly axes?: readonly [x: string, y: string];
  /** Mahalanobis distances to the keys, squared and divided by the dimension: about 1 for keys. */
  readonly mahalanobis: ShiftDistances;
  /** Distances to the nearest (other) key. */
  readonly nearest: ShiftDistances;
}

/** More heads than this are taken for a mistake: a figure of all heads is a grid of one number of each. */
const MOST_HEADS = 8;

/**
 * Checks that heads can be drawn.
 *
 * @throws {RangeError} when there are none, too many, one occurs twice, or a number is out of range
 * @throws {TypeError} when arrays do not have the lengths that they should
 */
export function checkShifts(heads: readonly HeadShift[]): void {
  if (heads.length < 1 || heads.length > MOST_HEADS) {
    throw wrong(`heads must be 1 .. ${MOST_HEADS}`, heads.length);
  }
  const seen = new Set<string>();
  for (const shift of heads) {
    checkHead(shift);
    const name = shiftName(shift);
    if (seen.has(name)) {
      throw new RangeError(
        `Cannot draw the shift as each head must occur once: ${name} occurs again`,
      );
    }
    seen.add(name);
  }
}

/** A head as texts name it. */
export function shiftName({ layer, head }: Pick<HeadShift, "layer" | "head">): string {
  return `layer ${layer}, head ${head}`;
}

function checkHead(shift: HeadShift): void {
  for (const name of ["layer", "head", "kvHead"] as const) {
    if (!(Number.isSafeInteger(shift[name]) && shift[name] >= 0)) {
      throw wrong(`${name} must be a whole number >= 0`, shift[name]);
    }
  }
  for (const name of ["keys", "queries"] as const) checkPoints(name, shift[name]);
  for (const name of ["mahalanobis", "nearest"] as const) checkDistances(name, shift[name]);
}

function checkPoints(name: string, points: ArrayLike<number>): void {
  if (points.length < 2 || points.length % 2 !== 0) {
    throw new TypeError(
      `Cannot draw the shift as ${name} must be [count, 2]: current length is ${points.length}`,
    );
  }
  const wild = Array.from(points).find((value) => !Number.isFinite(value));
  if (wild !== undefined) throw wrong(`${name} must be finite`, wild);
}

function checkDistances(name: string, { edges, keys, queries }: ShiftDistances): void {
  const ends = Array.from(edges);
  const fall = ends.findIndex((end, i) => !(Number.isFinite(end) && end > (ends[i - 1] ?? 0)));
  if (fall >= 0) throw wrong(`edges of ${name} must be finite, > 0 and rising`, ends[fall]!);
  for (const { counts, median } of [keys, queries]) {
    if (ends.length < 2 || counts.length !== ends.length - 1) {
      throw new TypeError(
        `Cannot draw the shift as counts of ${name} must be one for each bin (${
          Math.max(1, ends.length - 1)
        }): current length is ${counts.length}`,
      );
    }
    checkCounts(name, Array.from(counts));
    if (!(Number.isFinite(median) && median >= 0)) {
      throw wrong(`a median of ${name} must be finite and >= 0`, median);
    }
  }
}

function checkCounts(name: string, counts: readonly number[]): void {
  const wild = counts.find((count) => !(Number.isFinite(count) && count >= 0));
  if (wild !== undefined) throw wrong(`counts of ${name} must be finite and >= 0`, wild);
  if (counts.every((count) => count === 0)) throw wrong(`counts of ${name} must have a sum > 0`, 0);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw the shift as ${rule}: current value is ${value}`);
}
