import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { budgetPoints, type BudgetTrial } from "../../lib/plot/budget/budget_points.ts";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { recallBudget } from "../../lib/plot/recall_budget.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const TRIAL: BudgetTrial = { method: "a-shape", budget: 1, mass: 0.8, tileShare: 0.1 };

Deno.test("recallBudget() of the gallery is as it was looked at", async () => {
  await assertGolden("recall_budget.svg", await galleryFigures().recallBudget!.svg());
});

Deno.test("budgetPoints() gives mean and 5th percentile of the heads of each budget", () => {
  const masses = Array.from({ length: 21 }, (_, i) => i / 20);
  const trials = masses.map((mass, i) => ({ ...TRIAL, mass, tileShare: i % 2 === 0 ? 0.2 : 0.4 }));
  const [point, ...others] = budgetPoints(trials).series[0]!.points;
  assertEquals(others, []);
  assertAlmostEquals(point!.mean, 0.5, 1e-12);
  assertAlmostEquals(point!.low, 0.05, 1e-12);
  assertAlmostEquals(point!.tileShare, (11 * 0.2 + 10 * 0.4) / 21, 1e-12);
});

Deno.test("budgetPoints() tells budgets apart by budget or options, and sorts them by tiles", () => {
  const byOptions = { method: "b", methodOptions: "{}", mass: 1, tileShare: 0.5 };
  const { series } = budgetPoints([
    { ...TRIAL, budget: "b", tileShare: 0.3 },
    TRIAL,
    { ...TRIAL, mass: 0.6 },
    byOptions,
    { ...byOptions, methodOptions: '{"k":1}', estimateShare: 0.25, tileShare: 0.1 },
  ]);
  assertEquals(
    series.map((
      { name, points },
    ) => [name, points.map(({ tileShare, trials }) => [tileShare, trials])]),
    [["a-shape", [[0.1, 2], [0.3, 1]]], ["b", [[0.35, 1], [0.5, 1]]]],
  );
});

Deno.test("recallBudget() tells the cheapest budget that reaches the target, or how near a method comes", () => {
  const trials = [
    { ...TRIAL, method: "far", mass: 0.9, tileShare: 0.2 },
    { ...TRIAL, method: "near", budget: 1, mass: 0.95, tileShare: 0.3 },
    { ...TRIAL, method: "near", budget: 2, mass: 0.99, tileShare: 0.6 },
  ];
  assertEquals(
    recallBudget(trials).text,
    "Kept attention against computed tiles: far keeps at most 90 % (5 % of heads < 90 %) on 20 % of the tiles; " +
      "near keeps 95.0 % (5 % of heads < 95.0 %) on 30 % of the tiles; 1 head a point",
  );
  assert(recallBudget(trials, { target: 0.97 }).text.includes("near keeps 99.0 %"));
});

Deno.test("recallBudget() places points by the logarithm of tiles and the root of what is missed", async () => {
  const trials = [[0.99, 0.1], [0.96, 0.2], [0.84, 0.4]].map(([mass, tileShare], budget) => ({
    ...TRIAL,
    budget,
    mass: mass!,
    tileShare: tileShare!,
  }));
  const svg = parsed(await recallBudget(trials).svg());
  const [rule] = [...svg.querySelectorAll('[aria-label="rule"] line')];
  const places = [...svg.querySelectorAll('[aria-label="dot"]')]
    .flatMap((group) => [...group.querySelectorAll("circle")])
    .map((dot) => ["cx", "cy"].map((name) => Number(dot.getAttribute(name))));
  const dense = places.at(-1)!;
  const points = places.filter(([x, y], i) =>
    places.findIndex(([a, b]) => a === x && b === y) === i
  )
    .filter((place) => place.join() !== dense.join())
    .sort(([a], [b]) => a! - b!);
  const tops = points.map(([, y]) => (y! - dense[1]!) / 0.1);
  assertAlmostEquals(tops[1]! / tops[0]!, 2, 0.02);
  assertAlmostEquals(tops[2]! / tops[0]!, 4, 0.02);
  assertAlmostEquals(points[2]![0]! - points[1]![0]!, points[1]![0]! - points[0]![0]!, 0.02);
  assert(rule !== undefined);
});

Deno.test("recallBudget() leaves out trials that are not known, says so, and draws none at all", async () => {
  const figure = recallBudget([TRIAL, { ...TRIAL, mass: NaN }]);
  assert(
    figure.text.endsWith("1 head a point; not known and left out: 1 of the trials"),
    figure.text,
  );
  const none = recallBudget([{ ...TRIAL, tileShare: NaN }]);
  assert(none.text.includes("no trial is known"), none.text);
  assert(!/NaN|Infinity/.test(await none.svg()));
});

Deno.test("recallBudget() keeps hostile texts texts, and cuts long names", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const trials = [{ ...TRIAL, method: text, budget: text }, {
        ...TRIAL,
        method: "n".repeat(300),
      }];
      const figure = recallBudget(trials, { title: text });
      await assertInert(figure);
      assert(!(await figure.svg()).includes("n".repeat(120) + ":"));
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("recallBudget() names what is wrong", () => {
  const cases: [trials: readonly BudgetTrial[], message: string][] = [
    [[], "trials must be >= 1: current value is 0"],
    [[{ ...TRIAL, mass: 1.1 }], "mass of a-shape must be 0 .. 1 or NaN: current value is 1.1"],
    [[{ ...TRIAL, tileShare: 0 }], "tileShare of a-shape must be finite and > 0, or NaN"],
    [[{ ...TRIAL, estimateShare: -1 }], "estimateShare of a-shape must be finite and >= 0, or NaN"],
    [
      Array.from({ length: 65 }, (_, i) => ({ ...TRIAL, method: `${i}` })),
      "methods must be <= 64: current value is 65",
    ],
    [
      Array.from({ length: 65 }, (_, budget) => ({ ...TRIAL, budget })),
      "budgets of a-shape must be <= 64: current value is 65",
    ],
  ];
  for (const [trials, message] of cases) {
    assertThrows(() => recallBudget(trials), RangeError, message);
  }
  assertThrows(() => recallBudget([TRIAL], { target: 2 }), RangeError, "target must be 0 .. 1");
});

Deno.test("recallBudget() of 100,000 trials is a small picture", async () => {
  const trials = Array.from({ length: 100_000 }, (_, i) => ({
    ...TRIAL,
    budget: i % 4,
    mass: (i % 1000) / 1000,
  }));
  assert((await recallBudget(trials).svg()).length < 30_000);
});
