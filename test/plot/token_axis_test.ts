import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { binAxis } from "../../lib/plot/draw/bins.ts";
import { binText, rangeText, tokenTicks } from "../../lib/plot/draw/token_axis.ts";

Deno.test("tokenTicks() are equally far apart at whole 1, 2 or 5 times a power of ten, within the axis", () => {
  const axes = fc.record({
    tokens: fc.integer({ min: 1, max: 200_000 }),
    count: fc.double({ min: 0.3, max: 12, noNaN: true }),
    first: fc.integer({ min: 0, max: 200_000 }),
  });
  fc.assert(
    fc.property(axes, ({ tokens, count, first }) => {
      const ticks = tokenTicks(tokens, count, first);
      assert(ticks.length <= count + 2, `${ticks.length} ticks`);
      const steps = new Set(ticks.slice(1).map(({ token }, i) => token - ticks[i]!.token));
      assert(steps.size <= 1);
      for (const step of steps) assert(/^[125]0*$/.test(String(step)), `${step}`);
      for (const { at, token, text } of ticks) {
        assert(at >= 0 && at <= 1 && Math.abs(first + at * tokens - token) < 1e-6);
        assertEquals(Number(text.replaceAll(",", "")), token);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("tokenTicks() of 32,768 tokens", () => {
  assertEquals(
    tokenTicks(32_768, 7).map(({ text }) => text),
    ["0", "5,000", "10,000", "15,000", "20,000", "25,000", "30,000"],
  );
});

Deno.test("binText() says how many tokens a bin has, and nothing where bins are tokens", () => {
  assertEquals(binText(binAxis(32_768, 512)), "bin = 64 tokens");
  assertEquals(binText(binAxis(2990, 256)), "bin = 11.7 tokens");
  assertEquals(binText(binAxis(100, 512)), "");
});

Deno.test("rangeText() writes first and last, and one number for one", () => {
  assertEquals([rangeText(3, 3), rangeText(0, 12_345)], ["3", "0\u201312,345"]);
});
