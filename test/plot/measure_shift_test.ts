import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type HeadShift,
  measureShift,
  type ShiftDistances,
  type ShiftVectors,
} from "../../lib/plot/query_key_shift.ts";
import { Random } from "../random.ts";

/** Vectors `[count, dim]` by a rule. */
function vectors(count: number, dim: number, rule: (i: number, d: number) => number): Float64Array {
  return Float64Array.from(
    { length: count * dim },
    (_, at) => rule(Math.floor(at / dim), at % dim),
  );
}

function headOf(fields: Pick<ShiftVectors, "dim" | "queries" | "keys">): ShiftVectors {
  return { layer: 2, head: 3, kvHead: 1, ...fields };
}

/** Vectors of which NumPy measured what the tests know. */
function known(): ShiftVectors {
  const keys = vectors(64, 4, (i, d) => Math.sin(1.3 * i + 0.9 * d * i + d) * (4 - d));
  const queries = vectors(
    24,
    4,
    (i, d) => Math.cos(0.7 * i + 2.1 * d * i) + 2 * Number(d === 1) - Number(d === 3),
  );
  return headOf({ dim: 4, keys, queries });
}

function randomHead(seed: number, counts: { keys: number; queries: number }, dim: number) {
  const random = new Random(seed);
  const keys = vectors(counts.keys, dim, () => random.normal());
  return headOf({ dim, keys, queries: vectors(counts.queries, dim, () => random.normal()) });
}

function medians({ mahalanobis, nearest }: HeadShift): number[] {
  return [mahalanobis, nearest].flatMap(({ keys, queries }) => [keys.median, queries.median]);
}

function assertClose(actual: readonly number[], expected: readonly number[], tolerance: number) {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, i) => assertAlmostEquals(value, expected[i]!, tolerance));
}

Deno.test("measureShift() gives the medians that NumPy gives", () => {
  const expected = [1.9258571595759721, 1.555549078916128, 1.1815015537575753, 1.3577222039932382];
  assertClose(medians(measureShift(known())), expected, 1e-12);
});

Deno.test("measureShift() projects on the difference of means and the main direction across it, as NumPy does", () => {
  const { keys, queries, axes } = measureShift(known());
  assertEquals([keys.length, queries.length, axes], [128, 48, undefined]);
  const ends = (
    points: ArrayLike<number>,
  ) => [...Array.from(points).slice(0, 2), ...Array.from(points).slice(-2)];
  assertClose(ends(keys), [2.15186966, 0.01816193, 2.80064038, 0.89429848], 1e-6);
  assertClose(ends(queries), [2.61654944, 1.02535764, 2.546413, -0.90195891], 1e-6);
});

Deno.test("measureShift() counts every distance once, in bins that hold all of them", () => {
  const { mahalanobis, nearest } = measureShift(randomHead(1, { keys: 600, queries: 90 }, 8));
  const sum = (counts: ArrayLike<number>) => Array.from(counts).reduce((a, b) => a + b, 0);
  assertEquals([sum(mahalanobis.keys.counts), sum(mahalanobis.queries.counts)], [300, 90]);
  assertEquals([sum(nearest.keys.counts), sum(nearest.queries.counts)], [256, 90]);
  for (const { edges, keys, queries } of [mahalanobis, nearest]) {
    for (const { median } of [keys, queries]) {
      assert(median > edges[0]! && median < edges[edges.length - 1]!);
    }
  }
});

Deno.test("measureShift() puts each distance between the ends of its bin", () => {
  // Keys on a line, two apart; the queries are 1 / 8 .. 1 beside keys far from each other.
  const keys = vectors(64, 2, (i, d) => d === 0 ? 100 * i : 0);
  const queries = vectors(8, 2, (i, d) => d === 0 ? 100 * i : (i + 1) / 8);
  const { nearest } = measureShift(headOf({ dim: 2, keys, queries }));
  assertBins(nearest, "queries", Array.from({ length: 8 }, (_, i) => (i + 1) / 8));
  assertBins(nearest, "keys", Array.from({ length: 64 }, () => 100));
});

function assertBins(
  { edges, ...distances }: ShiftDistances,
  kind: "keys" | "queries",
  values: readonly number[],
): void {
  const expected = Array.from(
    distances[kind].counts,
    (_, bin) => values.filter((value) => value >= edges[bin]! && value < edges[bin + 1]!).length,
  );
  assertEquals(Array.from(distances[kind].counts), expected);
}

Deno.test("measureShift() sees no shift where queries are drawn as keys are, and the square of a shift that there is", () => {
  const head = randomHead(2, { keys: 2000, queries: 256 }, 16);
  const [keys, queries] = medians(measureShift(head)) as [number, number];
  assertAlmostEquals(keys, 1, 0.1);
  assertAlmostEquals(queries, 1, 0.1);
  const moved = Float64Array.from(head.queries, (value, at) => at % 16 === 5 ? value + 8 : value);
  const shift = measureShift({ ...head, queries: moved });
  assertAlmostEquals(shift.mahalanobis.queries.median, 1 + 64 / 16, 0.5);
  const along = Array.from(shift.queries).filter((_, at) => at % 2 === 0);
  assertAlmostEquals(along.reduce((a, b) => a + b, 0) / along.length, 8, 0.4);
});

Deno.test("measureShift() does not depend on where the origin is, nor nearest distances on a turn", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1000 }),
      fc.double({ min: -30, max: 30, noNaN: true }),
      (seed, move) => {
        const head = randomHead(seed, { keys: 40, queries: 9 }, 3);
        const moved = (values: ArrayLike<number>) =>
          Float64Array.from(values, (value) => value + move);
        const turned = (values: ArrayLike<number>) =>
          Float64Array.from(
            values,
            (value, at) => at % 3 === 2 ? -value : values[at + 1 - 2 * (at % 3)]!,
          );
        const before = medians(measureShift(head));
        const after = measureShift({
          ...head,
          keys: moved(head.keys),
          queries: moved(head.queries),
        });
        assertClose(medians(after), before, 1e-9);
        const other = measureShift({
          ...head,
          keys: turned(head.keys),
          queries: turned(head.queries),
        });
        assertClose(medians(other), before, 1e-9);
      },
    ),
    { numRuns: 20, seed: 1 },
  ));

Deno.test("measureShift() takes keys that are all the same, and queries with their mean", () => {
  const same = headOf({ dim: 3, keys: new Float32Array(60), queries: new Float32Array(9) });
  const shift = measureShift(same);
  assertEquals(medians(shift), [0, 0, 0, 0]);
  assertEquals(shift.axes, ["main direction of the keys", "the second one"]);
  assert(
    [...Array.from(shift.keys), ...Array.from(shift.mahalanobis.edges)].every(Number.isFinite),
  );
});

Deno.test("measureShift() thins long inputs evenly and gives the same again", () => {
  const random = new Random(4);
  const keys = Float32Array.from({ length: 40_000 * 8 }, () => random.normal());
  const head = headOf({ dim: 8, keys, queries: keys.subarray(0, 8000 * 8) });
  const shift = measureShift(head);
  assertEquals([shift.keys.length, shift.queries.length], [600, 512]);
  assertEquals(shift, measureShift(head));
});

Deno.test("measureShift() names what is wrong", () => {
  const head = randomHead(5, { keys: 40, queries: 2 }, 3);
  const broken = (name: "keys" | "queries") => {
    const values = Float64Array.from(head[name]);
    values[4] = NaN;
    return { ...head, [name]: values };
  };
  const cases: [head: ShiftVectors, type: typeof RangeError | typeof TypeError, message: string][] =
    [
      [{ ...head, dim: 1 }, RangeError, "dim must be a whole number >= 2: current value is 1"],
      [{ ...head, dim: 7 }, TypeError, "keys must be [count, 7]: current length is 120"],
      [
        { ...head, keys: new Float32Array(33) },
        RangeError,
        "keys must be >= 12: current value is 11",
      ],
      [{ ...head, queries: [] }, RangeError, "queries must be >= 1: current value is 0"],
      [broken("keys"), RangeError, "keys must be finite: current value is NaN"],
      [broken("queries"), RangeError, "queries must be finite: current value is NaN"],
    ];
  for (const [head, type, message] of cases) assertThrows(() => measureShift(head), type, message);
});
