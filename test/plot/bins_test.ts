import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type BinAxis, binAxis, type Pool, poolMatrix, poolRow } from "../../lib/plot/draw/bins.ts";

const axes = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 700 }))
  .map(([tokens, most]) => binAxis(tokens, most));
const pools: readonly Pool[] = ["max", "mean", "sum"];

Deno.test("every token is in exactly one bin, the one whose first token is not behind it", () => {
  fc.assert(
    fc.property(axes, (axis) => {
      assertEquals([axis.firstOf(0), axis.firstOf(axis.bins)], [0, axis.tokens]);
      for (let bin = 0; bin < axis.bins; bin++) {
        const [first, end] = [axis.firstOf(bin), axis.firstOf(bin + 1)];
        assertEquals(first < end, true);
        for (let token = first; token < end; token++) assertEquals(axis.binOf(token), bin);
      }
    }),
    { numRuns: 150, seed: 1 },
  );
});

Deno.test("bins of binAxis() differ by one token at most and are no more than asked for", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 900 }), (n, most) => {
      const axis = binAxis(n, most);
      const sizes = Array.from(
        { length: axis.bins },
        (_, bin) => axis.firstOf(bin + 1) - axis.firstOf(bin),
      );
      assertEquals(axis.bins, Math.min(n, most));
      assertEquals(Math.max(...sizes) - Math.min(...sizes) <= 1, true);
    }),
    { numRuns: 150, seed: 2 },
  );
});

Deno.test("binAxis() bins as session.map() does, up to 32K tokens", () => {
  const axis = binAxis(32_768, 500);
  for (let token = 0; token < axis.tokens; token += 7) {
    assertEquals(axis.binOf(token), Math.floor(token * 500 / 32_768));
  }
});

/** The values of a bin by their definition. */
function pooled(values: readonly number[], pool: Pool): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  if (numbers.length === 0) return NaN;
  const sum = numbers.reduce((a, b) => a + b);
  return { max: Math.max(...numbers), mean: sum / numbers.length, sum }[pool];
}

const value = fc.oneof(fc.constant(NaN), fc.double({ min: -5, max: 5, noNaN: true }));

Deno.test("poolRow() equals a brute-force pooling, NaN left out", () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom(...pools),
      (values, most, pool) => {
        const axis = binAxis(values.length, most);
        const got = poolRow(values, axis, pool);
        got.forEach((number, bin) =>
          assertAlmostEquals(number, pooled(inBin(values, axis, bin), pool), 1e-9)
        );
      },
    ),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("poolMatrix() equals a brute-force pooling, NaN left out", () => {
  const matrices = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(
    ([rows, columns]) =>
      fc.tuple(
        fc.constant(rows),
        fc.constant(columns),
        fc.array(value, { minLength: rows * columns, maxLength: rows * columns }),
      ),
  );
  const most = fc.integer({ min: 1, max: 10 });
  fc.assert(
    fc.property(
      matrices,
      most,
      most,
      fc.constantFrom(...pools),
      (matrix, rowBins, columnBins, pool) => {
        const [rows, columns, values] = matrix;
        const [rowAxis, columnAxis] = [binAxis(rows, rowBins), binAxis(columns, columnBins)];
        const got = poolMatrix(values, rowAxis, columnAxis, pool);
        got.forEach((number, cell) => {
          const bin = { row: Math.floor(cell / columnAxis.bins), column: cell % columnAxis.bins };
          const inCell = values.filter((_, i) =>
            rowAxis.binOf(Math.floor(i / columns)) === bin.row &&
            columnAxis.binOf(i % columns) === bin.column
          );
          assertAlmostEquals(number, pooled(inCell, pool), 1e-9);
        });
      },
    ),
    { numRuns: 200, seed: 4 },
  );
});

function inBin(values: readonly number[], axis: BinAxis, bin: number): number[] {
  return values.slice(axis.firstOf(bin), axis.firstOf(bin + 1));
}
