import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { indexReport, type IndexReportRow } from "../../lib/plot/index_report.ts";
import { indexPoints } from "../../lib/plot/report/index_points.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const ROW: IndexReportRow = {
  index: "graph",
  parameter: 100,
  tokens: 16_384,
  layer: 2,
  head: 1,
  recall: 0.9,
  mass: 0.98,
  scannedShare: 0.1,
  searchMs: 0.2,
  buildMs: 800,
  bytes: 3e6,
};

Deno.test("indexReport() of the gallery is as it was looked at", async () => {
  await assertGolden("index_report.svg", await galleryFigures().indexReport!.svg());
});

Deno.test("indexPoints() gives means over heads and the heads with the least", () => {
  const rows = [0.5, 0.9, 1].map((recall, head) => ({
    ...ROW,
    head,
    recall,
    mass: 1 - head / 10,
    searchMs: 1 + head,
  }));
  const [point, ...others] = indexPoints(rows).series[0]!.points;
  assertEquals(others, []);
  assertAlmostEquals(point!.recall, 0.8, 1e-12);
  assertAlmostEquals(point!.mass, 0.9, 1e-12);
  assertEquals([point!.leastRecall, point!.leastHead], [0.5, "layer 2, head 0"]);
  assertEquals([point!.leastMass, point!.searchMs, point!.heads], [0.8, 2, 3]);
});

Deno.test("indexPoints() tells parameters apart, sorts them by scanned keys, and names lengths where there are several", () => {
  const shorter = { ...ROW, tokens: 1000, parameter: "b" };
  const { series, lengths } = indexPoints([
    { ...ROW, scannedShare: 0.3, parameter: 200 },
    ROW,
    shorter,
    { ...shorter, index: "flat4", scannedShare: 1.02 },
  ]);
  assertEquals(lengths, [1000, 16_384]);
  assertEquals(series.map(({ name, points }) => [name, points.map(({ parameter }) => parameter)]), [
    ["graph, 16K", ["100", "200"]],
    ["graph, 1,000", ["b"]],
    ["flat4, 1,000", ["b"]],
  ]);
});

Deno.test("indexPoints() leaves out rows without recall, and of costs those that are not known", () => {
  const { series, unknown } = indexPoints([
    ROW,
    { ...ROW, recall: NaN },
    { ...ROW, searchMs: NaN, buildMs: 0, bytes: NaN },
  ]);
  const { heads, searchMs, buildMs, bytes } = series[0]!.points[0]!;
  assertEquals([unknown, heads, searchMs, buildMs, bytes], [1, 2, 0.2, 400, 3e6]);
});

Deno.test("indexReport() tells the fewest scanned keys that meet the targets, or the best recall", () => {
  const rows = [
    ROW,
    { ...ROW, parameter: 200, recall: 0.96, scannedShare: 0.2 },
    { ...ROW, parameter: 400, recall: 0.99, scannedShare: 0.4 },
    { ...ROW, index: "pages", recall: 0.96, mass: 0.9, searchMs: NaN, buildMs: NaN, bytes: NaN },
  ];
  assertEquals(
    indexReport(rows, { topK: 100 }).text,
    "What indexes find for the keys they scan: " +
      "graph recall@100 96.0 % (least 96.0 %), mass 98.0 % at 20 % scanned, 0.20 ms; build 800 ms, 3.00 MB; " +
      "pages recall@100 at most 96.0 % (least 96.0 %), mass 90 % at 10 % scanned; 16K keys; 1 head a point",
  );
  const textOf = (targets: { recall?: number; mass?: number }) =>
    indexReport(rows, { targets }).text;
  assert(textOf({ recall: 0.9 }).includes("graph recall 90 % (least"));
  assert(textOf({ mass: 0.985 }).includes("graph recall at most 99.0 %"));
  assert(textOf({}).includes("graph recall at most 99.0 %"));
});

Deno.test("indexReport() draws target lines where there are targets only", async () => {
  const rules = async (targets: { recall?: number; mass?: number }) => {
    const svg = parsed(await indexReport([ROW], { targets }).svg());
    return svg.querySelectorAll('[stroke-dasharray="4 3"] line').length;
  };
  assertEquals([await rules({}), await rules({ mass: 0.9 }), await rules({ recall: 0.9 })], [
    0,
    1,
    2,
  ]);
});

Deno.test("indexReport() places points by the logarithm of scanned keys and the root of what is missed", async () => {
  const rows = [[0.99, 0.1], [0.96, 0.2], [0.84, 0.4]].map(([recall, scannedShare], parameter) => ({
    ...ROW,
    parameter,
    recall: recall!,
    scannedShare: scannedShare!,
  }));
  const svg = parsed(await indexReport(rows, { targets: {} }).svg());
  const feet = svg.querySelector('[aria-label="dot"]');
  const places = [...feet.querySelectorAll("circle")]
    .map((dot) => ["cx", "cy"].map((name) => Number(dot.getAttribute(name))));
  const [first, second, third] = places as [number[], number[], number[]];
  assertAlmostEquals(third[0]! - second[0]!, second[0]! - first[0]!, 0.01);
  const [below, further] = [second[1]! - first[1]!, third[1]! - first[1]!];
  assertAlmostEquals(further / below, 3, 0.01);
});

Deno.test("indexReport() tells all of a point to the pointer", async () => {
  const svg = parsed(await indexReport([ROW, { ...ROW, head: 2, recall: 0.8 }]).svg());
  const title = svg.querySelector('[aria-label="dot"] title').textContent;
  assertEquals(
    title,
    "graph, 100\n10 % of the keys scanned\nrecall 85 %, least 80 % (layer 2, head 2)\n" +
      "mass 98.0 %, least 98.0 %\n0.20 ms a search\nbuilt in 800 ms\n3.00 MB",
  );
});

Deno.test("indexReport() draws what was not timed, and nothing at all", async () => {
  const untimed = await indexReport([{ ...ROW, searchMs: NaN }]).svg();
  const figure = indexReport([{ ...ROW, mass: NaN }]);
  assert(
    figure.text.includes("no row is known; not known and left out: 1 of the rows"),
    figure.text,
  );
  for (const svg of [untimed, await figure.svg()]) assert(!/NaN|Infinity/.test(svg));
});

Deno.test("indexReport() keeps hostile texts texts, and cuts long ones", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const long = { ...ROW, index: "n".repeat(300), parameter: "p".repeat(300) };
      await assertInert(
        indexReport([{ ...ROW, index: text, parameter: text }, long], { title: text }),
      );
      const svg = parsed(await indexReport([long]).svg());
      const texts = [...svg.querySelectorAll("text")].map((text) => text.textContent);
      assert(texts.includes(`${"n".repeat(14)}\u2026`), texts.join());
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("indexReport() names what is wrong", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => i);
  const cases: [rows: readonly IndexReportRow[], message: string][] = [
    [[], "rows must be >= 1: current value is 0"],
    [[{ ...ROW, recall: 1.1 }], "recall of graph must be 0 .. 1 or NaN: current value is 1.1"],
    [[{ ...ROW, mass: -1 }], "mass of graph must be 0 .. 1 or NaN: current value is -1"],
    [[{ ...ROW, scannedShare: 0 }], "scannedShare of graph must be finite and > 0, or NaN"],
    [[{ ...ROW, searchMs: Infinity }], "searchMs of graph must be finite and > 0, or NaN"],
    [[{ ...ROW, buildMs: -1 }], "buildMs of graph must be finite and >= 0, or NaN"],
    [[{ ...ROW, bytes: -1 }], "bytes of graph must be finite and >= 0, or NaN"],
    [
      [{ ...ROW, tokens: NaN }],
      "tokens of graph must be a whole number >= 1: current value is NaN",
    ],
    [
      many(57).map((i) => ({ ...ROW, index: `${i}` })),
      "indexes must be <= 56: current value is 57",
    ],
    [
      many(65).map((parameter) => ({ ...ROW, parameter })),
      "parameters of graph must be <= 64: current value is 65",
    ],
  ];
  for (const [rows, message] of cases) assertThrows(() => indexReport(rows), RangeError, message);
  assertThrows(
    () => indexReport([ROW], { targets: { mass: 2 } }),
    RangeError,
    "the target of mass must be 0 .. 1: current value is 2",
  );
});
