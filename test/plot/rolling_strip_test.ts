import { assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { RollingStrip } from "../../lib/plot/watch/rolling_strip.ts";

/** Largest value of each bin, one by one. */
function pooled(row: Float64Array, binTokens: number, bins: number): number[] {
  return Array.from({ length: bins }, (_, bin) => {
    const held = row.subarray(bin * binTokens, (bin + 1) * binTokens);
    return held.length === 0 ? NaN : Math.max(...held);
  });
}

Deno.test("RollingStrip pools every row to the bins of the last, however the text grows", () => {
  const lengths = fc.tuple(
    fc.integer({ min: 1, max: 3000 }),
    fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 6 }),
  );
  fc.assert(
    fc.property(lengths, ([first, growth]) => {
      const strip = new RollingStrip();
      const rows: Float64Array[] = [];
      let length = first;
      for (const more of [0, ...growth]) {
        length += more;
        rows.push(Float64Array.from({ length }, (_, key) => ((key * 7919 + length) % 997) / 997));
        strip.push(length, rows.at(-1)!);
      }
      const { bins, binTokens, tokens } = strip.axis;
      assertEquals(tokens, length);
      assertLessOrEqual(bins, 256);
      assertEquals(strip.rows.map(({ index }) => index), rows.map((row) => row.length));
      assertEquals(
        Array.from(strip.matrix()),
        rows.flatMap((row) => pooled(row, binTokens, bins)),
      );
    }),
    { numRuns: 40, seed: 1 },
  );
});

Deno.test("RollingStrip keeps the last 64 rows", () => {
  const strip = new RollingStrip();
  for (let index = 1; index <= 100; index++) strip.push(index, new Float64Array(index));
  assertEquals([strip.rows.length, strip.rows[0]!.index, strip.rows.at(-1)!.index], [64, 37, 100]);
});
