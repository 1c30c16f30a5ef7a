import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { latency, type LatencyPoint } from "../../lib/plot/latency.ts";
import { latencySeries } from "../../lib/plot/latency/latency_data.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

function times(method: string, ...ms: number[]): LatencyPoint[] {
  return ms.map((ms, i) => ({ method, tokens: 1024 * 2 ** i, ms }));
}

Deno.test("latency() of the gallery is as it was looked at", async () => {
  await assertGolden("latency.svg", await galleryFigures().latency!.svg());
});

Deno.test("latencySeries() finds the first length from which a method stays faster", () => {
  const base = times("dense", 10, 20, 40, 80);
  const breakEven = (...ms: number[]) =>
    latencySeries([...base, ...times("m", ...ms)], "dense")[1]!.breakEven?.tokens ?? null;
  assertEquals(breakEven(20, 30, 30, 40), 4096);
  assertEquals(breakEven(5, 30, 30, 40), 4096);
  assertEquals(breakEven(5, 5, 5, 5), 1024);
  assertEquals(breakEven(5, 5, 5, 80), null);
});

Deno.test("latencySeries() compares at lengths that both were measured at, by the least time", () => {
  const points = [
    ...times("dense", 10, 20, 40),
    { method: "dense", tokens: 2048, ms: 12 },
    { method: "m", tokens: 2048, ms: 6 },
    { method: "m", tokens: 65_536, ms: 1 },
  ];
  const [base, other] = latencySeries(points, "dense");
  assertEquals(base!.points.map(({ ms }) => ms), [10, 12, 40]);
  assertEquals([other!.speedup, other!.longest], [2, 2048]);
  assertEquals(base!.breakEven, null);
});

Deno.test("latency() says from where on a method pays, and how much", () => {
  const points = [...times("dense", 10, 40), ...times("fast", 20, 10), ...times("slow", 20, 50)];
  assertEquals(
    latency([...points, { method: "other", tokens: 3000, ms: 7 }]).text,
    "Time of a prefill by length: dense 40 ms at 2K; fast faster than dense from 2K on, 4.00 x at 2K; " +
      "slow not faster than dense at 2K: 0.80 x; other 7.0 ms at 3,000",
  );
  assert(latency(points, { baseline: "slow" }).text.includes("fast faster than slow from 2K on"));
});

Deno.test("latency() draws points at distances that are the logarithms of their ratios, and one ring", async () => {
  const points = [...times("dense", 10, 40), { method: "dense", tokens: 16_384, ms: 20 }];
  const svg = parsed(await latency([...points, ...times("fast", 20, 10)]).svg());
  const dots = [...svg.querySelectorAll('[aria-label="dot"] circle')]
    .map((circle) => ["cx", "cy", "r"].map((name) => Number(circle.getAttribute(name))));
  const [first, second, third] = dots.filter(([, , r]) => r !== 8) as [
    number[],
    number[],
    number[],
  ];
  assertAlmostEquals((third[0]! - first[0]!) / (second[0]! - first[0]!), 4, 0.01);
  assertAlmostEquals((third[1]! - first[1]!) / (second[1]! - first[1]!), 0.5, 0.01);
  assertEquals(dots.filter(([, , r]) => r === 8).length, 1);
});

Deno.test("latency() draws one point of one method, and ceilings that are named below", async () => {
  const ceilings = [{ name: "peak", points: [{ tokens: 2048, ms: 2 }, { tokens: 1024, ms: 1 }] }];
  const svg = await latency(times("m", 5), { ceilings }).svg();
  assert(svg.includes("dashed: peak") && !/NaN|Infinity/.test(svg));
});

Deno.test("latency() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, (text) => {
      const ceilings = [{ name: text, points: times("", 1, 2) }];
      const points = [...times(text, 1, 2), ...times("b", 2, 1)];
      return assertInert(latency(points, { title: text, baseline: text, ceilings }));
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("latency() names what is wrong", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const cases: [points: readonly LatencyPoint[], message: string][] = [
    [[], "there must be >= 1 times: current value is 0"],
    [times("m", NaN), "ms of m must be finite and > 0: current value is NaN"],
    [[{ method: "m", tokens: 0, ms: 1 }], "tokens of m must be finite and > 0: current value is 0"],
    [many(65).flatMap((i) => times(`${i}`, 1)), "methods must be <= 64: current value is 65"],
    [
      many(257).map((tokens) => ({ method: "m", tokens, ms: 1 })),
      "lengths of m must be <= 256: current value is 257",
    ],
  ];
  for (const [points, message] of cases) assertThrows(() => latency(points), RangeError, message);
  const ceilings = many(4).map((i) => ({ name: `${i}`, points: times("", 1) }));
  assertThrows(
    () => latency(times("m", 1), { ceilings }),
    RangeError,
    "ceilings must be <= 3: current value is 4",
  );
});
