import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { kvTimeline, type KvTimelineStep } from "../../lib/plot/kv_timeline.ts";
import { gatherTimeline } from "../../lib/plot/timeline/timeline_rows.ts";
import { Random } from "../random.ts";
import { assertGolden } from "./golden.ts";
import { gridTips } from "./grid_tips.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { pictureOf } from "./read_png.ts";
import { retrievedBins } from "./retrieved_bins.ts";

function step(fields: Partial<KvTimelineStep> = {}): KvTimelineStep {
  return { step: 0, keys: 20, indices: [3, 7], ranges: [[0, 2], [16, 20]], ...fields };
}

function randomSteps(seed: number, count: number): KvTimelineStep[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const keys = 900 + i;
    return step({ step: i, keys, indices: random.subset(30, 0, keys - 1), ranges: [[0, 8]] });
  });
}

Deno.test("kvTimeline() of the gallery is as it was looked at", async () => {
  await assertGolden("kv_timeline.svg", await galleryFigures().kvTimeline!.svg());
});

Deno.test("gatherTimeline() sorts steps and counts every retrieved key in the bin of its position", () => {
  const steps = randomSteps(1, 12);
  const { axis, rows } = gatherTimeline(steps.toReversed());
  assertEquals(rows.map(({ retrieved }) => retrieved), retrievedBins(steps, axis, rows.length));
});

Deno.test("gatherTimeline() puts steps together from 121 on and loses no key and no appended range", () => {
  const steps = randomSteps(2, 250).map((one) => ({
    ...one,
    appended: [[one.step, one.step + 1]] as const,
  }));
  const { rows } = gatherTimeline(steps);
  assertEquals(rows.length, 120);
  const found = rows.flatMap(({ retrieved }) => [...retrieved]).reduce((a, b) => a + b, 0);
  assertEquals(found, 250 * 30);
  const added = rows.flatMap(({ appended }) => appended.map(([start, end]) => end - start));
  assertEquals(added.reduce((a, b) => a + b, 0), 250);
});

Deno.test("kvTimeline() draws a pixel a bin: retrieved, not attended, and none behind the last key", async () => {
  const steps = [
    step({ keys: 10, indices: [3, 7, 7], ranges: [] }),
    step({ step: 1, indices: [19] }),
  ];
  const { width, height, pixels, palette } = pictureOf(await kvTimeline(steps).svg(), "ll-grid");
  assertEquals([width, height], [20, 2]);
  const opacity = Array.from(pixels, (level) => palette[level]![3]!);
  assertEquals([...opacity.keys()].filter((i) => opacity[i]! > 60), [3, 7, 20 + 19]);
  assert(opacity[7]! > opacity[3]!);
  const blank = opacity.map((value) => value === 0);
  assertEquals(blank, opacity.map((_, i) => i >= 10 && i < 20));
});

Deno.test("kvTimeline() draws a line for each static range and a box for each appended one", async () => {
  const steps = [
    step({ appended: [[12, 16]] }),
    step({ step: 1, ranges: [[0, 2], [1, 4], [18, 20]], appended: [[4, 4]] }),
  ];
  const svg = parsed(await kvTimeline(steps).svg());
  const [lines, boxes] = ["ll-static", "ll-appended"]
    .map((name) => svg.querySelector(`.${name}`).getAttribute("d") as string);
  const numbers = [...lines!.matchAll(/M([\d.]+),([\d.]+)H([\d.]+)/g)]
    .map(([, from, y, to]) => [Number(from), Number(y), Number(to)]);
  assertEquals(numbers.length, 4);
  const [left, right] = [numbers[0]![0]!, numbers[1]![2]!];
  assertAlmostEquals(numbers[0]![2]!, left + (right - left) / 10, 0.02);
  assertEquals([...boxes!.matchAll(/z/g)].length, 1);
  const [, start, width] = boxes!.match(/M([\d.]+),[\d.]+h([\d.]+)/)!;
  assertAlmostEquals(Number(start) + Number(width), left + (right - left) * 0.8, 0.02);
});

Deno.test("kvTimeline() says how many keys were static, retrieved and appended", () => {
  const steps = [step({ appended: [[4, 8]] }), step({ step: 1, keys: 21, indices: [1, 2, 3, 4] })];
  assertEquals(
    kvTimeline(steps).text,
    "Keys in 2 steps: line: sinks and window, 6 keys a step; tick: retrieved, 3 a step; " +
      "box: appended to the index, 4 in all; 20 to 21 keys; grey: keys that were not attended",
  );
  assertStringIncludes(kvTimeline(randomSteps(3, 300)).text, "up to 3 steps a row");
});

Deno.test("kvTimeline() tells step and position under the pointer, and what became of the keys", async () => {
  const steps = [step({ token: " a", appended: [[6, 8]] })];
  const row =
    "step 0 \u00b7a, 20 keys\nstatic 0\u20131, 16\u201319\nappended to the index 6\u20137\n";
  assertEquals(await gridTips(kvTimeline(steps), [[75, 8], [175, 8]]), [
    `${row}position 7\nkeys retrieved: 1`,
    `${row}position 17\nkeys retrieved: 0`,
  ]);
});

Deno.test("kvTimeline() of 2,000 steps of 100,000 keys is a small bundle, and fits a narrow column", async () => {
  const steps = Array.from({ length: 2000 }, (_, i) => {
    const keys = 100_000 + i;
    const ranges = [[0, 128], [keys - 512, keys]] as const;
    return step({
      step: i,
      keys,
      ranges,
      indices: [i, 5 * i, 50 * i],
      appended: [[keys - 513, keys - 512]],
    });
  });
  const figure = kvTimeline(steps);
  assert((await figure.html()).length < 500_000);
  const narrow = await figure.redrawn({ width: 420 }).svg();
  assert(Number(narrow.match(/ width="(\d+)"/)![1]) <= 420);
});

Deno.test("kvTimeline() keeps hostile tokens texts", () =>
  fc.assert(
    fc.asyncProperty(
      hostileText,
      fc.array(hostileText, { minLength: 5, maxLength: 5 }),
      async (title, tokens) => {
        await assertInert(
          kvTimeline(tokens.map((token, i) => step({ step: i, token })), { title }),
        );
      },
    ),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("kvTimeline() names what is wrong", () => {
  const cases: [steps: readonly KvTimelineStep[], message: string][] = [
    [[], "steps must be >= 1: current value is 0"],
    [[step(), step()], "each step must occur once: step 0 occurs again"],
    [[step({ step: NaN })], "step must be a finite number: current value is NaN"],
    [[step({ keys: 0.5 })], "keys must be a whole number >= 1: current value is 0.5"],
    [[step({ indices: [20] })], "a position must be a whole number 0 .. 19: current value is 20"],
    [[step({ indices: [NaN] })], "a position must be a whole number 0 .. 19: current value is NaN"],
    [
      [step({ ranges: [[0, 21]] })],
      "the end of a range must be a whole number 0 .. 20: current value is 21",
    ],
    [
      [step({ appended: [[-1, 2]] })],
      "the end of a range must be a whole number 0 .. 20: current value is -1",
    ],
  ];
  for (const [steps, message] of cases) assertThrows(() => kvTimeline(steps), RangeError, message);
});
