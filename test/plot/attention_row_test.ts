import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import { attentionRow } from "../../lib/plot/attention_row.ts";
import { attendedSpans, topSpans } from "../../lib/plot/row/row_data.ts";
import { labelWidth, placeLabels } from "../../lib/plot/row/row_labels.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText } from "./inert.ts";
import { madeMatrix } from "./made_attention.ts";

const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), {
  minLength: 1,
  maxLength: 60,
});

/** The last row of made attention, with keys that were not attended. */
function madeRow(keys: number): Float32Array {
  const row = Float32Array.from(madeMatrix(1, keys, 5).values);
  for (let key = 20; key < keys - 40; key++) if (row[key]! < 0.01) row[key] = 0;
  return row;
}

function drawn(svg: string) {
  return new JSDOM(svg).window.document;
}

Deno.test("topSpans() are the largest weights, neighbours joined, in the order of the keys", () => {
  fc.assert(
    fc.property(weights, fc.integer({ min: 0, max: 9 }), (probs, count) => {
      const spans = topSpans(probs, count);
      const keys = spans.flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, i) => start + i)
      );
      const largest = probs.filter((weight) => weight > 0).sort((a, b) => b - a).slice(0, count);
      assertEquals(keys.map((key) => probs[key]!).sort((a, b) => b - a), largest);
      spans.forEach(({ start, end, sum }, i) => {
        assert(i === 0 || spans[i - 1]!.end < start);
        const right = probs.slice(start, end).reduce((a, b) => a + b, 0);
        assertAlmostEquals(sum, right, 1e-12);
      });
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("attendedSpans() hold the keys whose weight is not 0, and only those", () => {
  fc.assert(
    fc.property(weights, (probs) => {
      const inside = new Array(probs.length).fill(false);
      const spans = attendedSpans(probs);
      spans.forEach(([start, end]) => inside.fill(true, start, end));
      assertEquals(inside, probs.map((weight) => weight !== 0));
      spans.forEach(([start], i) => assert(i === 0 || spans[i - 1]![1] < start));
    }),
    { numRuns: 300, seed: 2 },
  );
});

Deno.test("placeLabels() puts no label over another or over the rule of another, and stays in the room", () => {
  const labels = fc.array(
    fc.record({
      text: fc.string({ minLength: 1, maxLength: 30 }),
      x: fc.double({ min: 60, max: 620, noNaN: true }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(labels, (labels) => {
      const room = { left: 16, right: 640, lines: 4 };
      const placed = placeLabels(labels, room);
      for (const a of placed) {
        const end = a.left + labelWidth(a.text);
        assert(a.left >= room.left && end <= room.right + 1e-9 && a.line < room.lines);
        for (const b of placed) {
          if (a === b) continue;
          if (a.line === b.line) assert(end < b.left || b.left + labelWidth(b.text) < a.left);
          else if (b.line > a.line) assert(b.x < a.left || b.x > end);
        }
      }
    }),
    { numRuns: 300, seed: 3 },
  );
});

Deno.test("placeLabels() leaves out no label that has room for itself", () => {
  const labels = [100, 300, 500].map((x) => ({ text: "some label", x }));
  const placed = placeLabels(labels, { left: 0, right: 640, lines: 1 });
  assertEquals(placed.map(({ x, line }) => [x, line]), [[100, 0], [300, 0], [500, 0]]);
});

Deno.test("a short row has a bar for each weight that the axis shows", async () => {
  const document = drawn(await attentionRow([0.5, 0, 0.2, 1e-9, 0.3]).svg());
  const bars = [...document.querySelectorAll('g[aria-label="rect"] rect')];
  const heights = bars.map((bar) => Number(bar.getAttribute("height")));
  assertEquals(heights.length, 3);
  // Five decades take 150 pixels: 30 for each.
  assertAlmostEquals(heights[0]! - heights[1]!, 30 * Math.log10(0.5 / 0.2), 0.01);
  assertAlmostEquals(heights[0]!, 150, 0.01);
});

Deno.test("a long row has the largest and the mean weight of each bin, on the asked scale", async () => {
  const probs = [0.4, 0.1, 0.1, 0.1, 0, 0, 0.3, 0];
  const figure = attentionRow(probs, { bins: 4, scale: "linear" });
  const document = drawn(await figure.svg());
  const heights = (mark: number) =>
    [...document.querySelectorAll('g[aria-label="rect"]')[mark]!.querySelectorAll("rect")]
      .map((bar) => Number((Number(bar.getAttribute("height")) / 150 * 0.4).toFixed(4)));
  assertEquals(heights(0), [0.4, 0.1, 0.3]);
  assertEquals(heights(1), [0.25, 0.1, 0.15]);
  assertStringIncludes(figure.text, "bin = 2 tokens: largest (light) and mean (dark) weight");
});

Deno.test("the largest weights are named with the texts of their tokens", async () => {
  const tokens = Array.from({ length: 100 }, (_, i) => ` t${i}`);
  const probs = new Array(100).fill(0.001);
  [probs[10], probs[11], probs[70]] = [0.3, 0.2, 0.4];
  const texts = [
    ...drawn(await attentionRow(probs, { tokens, top: 3 }).svg()).querySelectorAll("text"),
  ]
    .map((text) => text.textContent);
  assertEquals(texts.includes("\u2068\u00b7t10\u00b7t11\u2069 10\u201311: 0.5"), true);
  assertEquals(texts.includes("\u2068\u00b7t70\u2069 70: 0.4"), true);
});

Deno.test("labels that have no room are counted in the caption", async () => {
  const probs = new Array(1000).fill(0);
  for (let i = 0; i < 12; i++) probs[500 + 2 * i] = 0.05 + i / 1000;
  const svg = await attentionRow(probs, { top: 12, width: 400 }).svg();
  const missing = Number(svg.match(/(\d+) of the 12 largest have no room/)![1]);
  const labels = [...drawn(svg).querySelectorAll("text")]
    .filter(({ textContent }) => /^5\d\d: 0\.0\d+$/.test(textContent!));
  assertEquals(labels.length, 12 - missing);
  assert(labels.length > 0);
});

Deno.test("the rug covers the attended keys in the axis's place", async () => {
  const probs = new Array(100).fill(0);
  probs.fill(0.01, 0, 10);
  probs.fill(0.02, 80, 100);
  const figure = attentionRow(probs);
  assertStringIncludes(figure.text, "30 attended (orange, 30 %)");
  const rug = drawn(await figure.svg()).querySelector(".ll-rug")!.getAttribute("d")!;
  const [first, second] = [...rug.matchAll(/M([\d.]+),\d+h([\d.]+)/g)].map((
    [, x, width],
  ) => [Number(x), Number(width)]);
  const unit = first![1]! / 10;
  assertAlmostEquals(second![1]!, 20 * unit, 0.2);
  assertAlmostEquals(second![0]! - first![0]!, 80 * unit, 0.6);
});

Deno.test("attended spans can be given, and there is no rug where all keys were attended", async () => {
  const given = attentionRow([0.5, 0, 0.5], { attended: [[0, 2]] });
  assertStringIncludes(given.text, "2 attended (orange, 67 %)");
  const all = attentionRow([0.5, 0.5]);
  assertStringIncludes(all.text, "all keys attended");
  assert(!(await all.svg()).includes("ll-rug"));
});

Deno.test("a row of 131,072 keys is a bundle below 200 KB", async () => {
  const tokens = Array.from({ length: 131_072 }, (_, i) => ` token${i}`);
  const figure = attentionRow(new Float32Array(131_072).fill(1 / 131_072), { tokens });
  const size = new Blob([await figure.svg(), await figure.html()]).size;
  assert(size < 200_000, `${size} bytes`);
});

Deno.test("a row of zeros is drawn", async () => {
  for (const scale of ["log", "sqrt", "linear"] as const) {
    const svg = await attentionRow([0, 0, 0], { scale }).svg();
    assert(!svg.includes("NaN") && !svg.includes("Infinity"), scale);
  }
});

Deno.test("attentionRow() refuses an empty row, weights below 0 or not a number, and missing tokens", () => {
  assertThrows(() => attentionRow([]), RangeError, "it is empty");
  assertThrows(() => attentionRow([0.5, -0.1]), RangeError, "current value of key 1 is -0.1");
  assertThrows(() => attentionRow([NaN]), RangeError, "current value of key 0 is NaN");
  assertThrows(
    () => attentionRow([1, 0], { tokens: ["a"] }),
    TypeError,
    "tokens must hold 2 texts",
  );
  assertThrows(
    () => attentionRow([1, 0], { bins: 0.5 }),
    RangeError,
    "bins must be a whole number",
  );
});

Deno.test("hostile titles and tokens stay text in a row", async () => {
  await fc.assert(
    fc.asyncProperty(
      hostileText,
      fc.array(hostileText, { minLength: 4, maxLength: 4 }),
      async (title, tokens) => {
        await assertInert(attentionRow([0.4, 0.1, 0, 0.5], { title, tokens }));
      },
    ),
    { numRuns: 15, seed: 1 },
  );
});

Deno.test("a row of a long text is the golden one", async () => {
  const tokens = Array.from({ length: 1200 }, (_, i) => i % 7 === 0 ? "\n" : ` w${i}`);
  await assertGolden("attention_row.svg", await attentionRow(madeRow(1200), { tokens }).svg());
});
