import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { headGrid, type HeadMatrix } from "../../lib/plot/head_grid.ts";
import { levelOf } from "../../lib/plot/draw/palette.ts";
import { makeScale } from "../../lib/plot/draw/scale.ts";
import { Random } from "../random.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { pictureOf } from "./read_png.ts";

function matrix(layers: number, heads: number, missing = 0): HeadMatrix {
  const random = new Random(layers * heads);
  const values = Float64Array.from(
    { length: layers * heads },
    () => random.chance(missing) ? NaN : random.next(),
  );
  return { layers, heads, values };
}

Deno.test("headGrid() of the gallery is as it was looked at", async () => {
  await assertGolden("head_grid.svg", await galleryFigures().headGrid!.svg());
});

Deno.test("headGrid() gives each head a title with its layer, head and value", async () => {
  const data = matrix(3, 4, 0.3);
  const titles = [
    ...parsed(await headGrid(data, { label: "score" }).svg()).querySelectorAll("title"),
  ]
    .map(({ textContent }) => textContent!);
  assertEquals(titles.length, 12);
  titles.forEach((title, i) => {
    const [place, value] = title.split("\n");
    assertEquals(place, `layer ${Math.floor(i / 4)}, head ${i % 4}`);
    const expected = data.values[i]!;
    if (Number.isNaN(expected)) assertEquals(value, "no value");
    else assert(Math.abs(Number(value!.replace("score ", "")) - expected) <= 5e-4, title);
  });
});

Deno.test("headGrid() prints values into cells that have room and none into narrow ones", async () => {
  const texts = async (heads: number) =>
    [
      ...parsed(await headGrid(matrix(2, heads)).svg()).querySelectorAll(
        '[aria-label="text"] text',
      ),
    ].length;
  assertEquals(await texts(8), 16);
  assertEquals(await texts(32), 0);
});

Deno.test("headGrid() hatches the cells of heads without a value and no others", async () => {
  const values = Float32Array.of(0.1, NaN, 0.3, 0.4);
  const hatched = parsed(await headGrid({ layers: 2, heads: 2, values }).svg());
  const path: string = hatched.querySelector(".ll-missing")!.getAttribute("d")!;
  const lines = path.match(/[\d.]+/g)!.map(Number);
  const cell = hatched.querySelectorAll('[aria-label="cell"] rect')[1]!;
  const of = (name: string) => Number(cell.getAttribute(name));
  lines.forEach((at, i) => {
    const [start, size] = i % 2 === 0 ? [of("x"), of("width")] : [of("y"), of("height")];
    assert(at >= start - 0.01 && at <= start + size + 0.01, `${at} is outside of the cell`);
  });
  const whole = parsed(await headGrid(matrix(2, 2)).svg());
  assertEquals(whole.querySelector(".ll-missing"), null);
});

Deno.test("headGrid() takes rows in any order, heads that have none are missing", async () => {
  const rows = [
    { layer: 1, head: 1, value: 0.4 },
    { layer: 0, head: 1, value: null },
    { layer: 0, head: 0, value: 0.1 },
  ];
  const values = Float32Array.of(0.1, NaN, NaN, 0.4);
  const expected = await headGrid({
    layers: 2,
    heads: 2,
    values: Float64Array.from([0.1, NaN, NaN, 0.4]),
  }).svg();
  assertEquals(values.length, 4);
  assertEquals(await headGrid(rows).svg(), expected);
});

Deno.test("headGrid() shows second values by the area of a circle", async () => {
  const sizes = Float32Array.of(1, 4, 0, NaN);
  const svg = await headGrid({ ...matrix(2, 2), sizes }, { sizeLabel: "entropy" }).svg();
  const radii = [...parsed(svg).querySelectorAll("circle")].map((c) => Number(c.getAttribute("r")))
    .sort((a, b) => a - b);
  assertEquals(radii.length, 2);
  assert(Math.abs(radii[1]! / radii[0]! - 2) < 1e-6);
  assertStringIncludes(svg, "entropy 4");
});

Deno.test("headGrid() shows glyphs in place of values", async () => {
  const svg = await headGrid([{ layer: 0, head: 0, value: 0.5, glyph: "R" }]).svg();
  assertEquals(parsed(svg).querySelector('[aria-label="text"] text')!.textContent, "R");
});

Deno.test("headGrid() draws more than 32 layers or heads as a picture with a pixel a head", async () => {
  const data = matrix(80, 64, 0.05);
  const svg = await headGrid(data, { scale: "sqrt" }).svg();
  const { width, height, pixels } = pictureOf(svg, "ll-grid");
  assertEquals([width, height], [64, 80]);
  const scale = makeScale("sqrt", data.values);
  assertEquals([...pixels], Array.from(data.values, (value) => levelOf(scale.ink(value))));
  assert(svg.length < 60_000, `${svg.length} characters`);
});

Deno.test("headGrid() tells the head under the pointer where it is a picture", async () => {
  const data = matrix(40, 40);
  const html = await headGrid(data, { label: "score" }).html("ll-test");
  const { window } = new JSDOM(`<body>${html}</body>`, { runScripts: "dangerously" });
  const grid = window.document.querySelector(".ll-grid")!;
  grid.getBoundingClientRect = () => ({ left: 10, top: 20, width: 400, height: 400 }) as DOMRect;
  const at = { clientX: 10 + 5 * 10 + 3, clientY: 20 + 7 * 10 + 3 };
  grid.dispatchEvent(new window.MouseEvent("pointermove", at));
  const value = Number(data.values[7 * 40 + 5]!.toPrecision(4));
  assertEquals(
    window.document.querySelector(".ll-tip")!.textContent,
    `layer 7\nhead 5\nscore ${value}`,
  );
  window.close();
});

Deno.test("headGrid() drawn again with a range has the colours of that range", async () => {
  const data = matrix(2, 3);
  const again = headGrid(data).redrawn({ range: [0, 5] });
  assertEquals(again.ink, { measure: "value", range: [0, 5] });
  assertEquals(await again.svg(), await headGrid(data, { range: [0, 5] }).svg());
});

Deno.test("headGrid() keeps its width", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 320, max: 1200 }),
      async (layers, heads, width) => {
        const svg = await headGrid(matrix(layers, heads), { width }).svg();
        assert(Number(svg.match(/ width="(\d+)"/)![1]) <= width);
      },
    ),
    { numRuns: 8, seed: 1 },
  ));

Deno.test("headGrid() draws heads that are all missing or all the same", async () => {
  for (const value of [NaN, 0, -2]) {
    const svg = await headGrid([{ layer: 0, head: 0, value }]).svg();
    assert(!svg.includes("NaN") && !svg.includes("Infinity"), svg);
  }
});

Deno.test("headGrid() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const rows = [{ layer: 0, head: 0, value: 1, glyph: text, size: 2 }];
      await assertInert(headGrid(rows, { title: text, label: text, sizeLabel: text }));
      await assertInert(headGrid(matrix(1, 33), { title: text, label: text }));
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("headGrid() names what is wrong", async () => {
  const values = Float32Array.of(1, 2, 3);
  assertThrows(
    () => headGrid({ layers: 2, heads: 2, values }),
    TypeError,
    "Cannot draw heads as values must hold 2 x 2 entries: current value is 3",
  );
  assertThrows(
    () => headGrid({ layers: 1, heads: 3, values, sizes: [1] }),
    TypeError,
    "Cannot draw heads as sizes must hold 1 x 3 entries: current value is 1",
  );
  assertThrows(
    () => headGrid({ layers: 1, heads: 3, values, sizes: [1, -1, 1] }),
    RangeError,
    "Cannot draw heads as a size must be a finite number >= 0 or NaN: current value is -1",
  );
  assertThrows(
    () => headGrid({ layers: 0, heads: 3, values: [] }),
    RangeError,
    "Cannot draw heads as layers must be a whole number 1 .. 4096: current value is 0",
  );
  assertThrows(() => headGrid([]), RangeError, "there must be >= 1 of them");
  assertThrows(
    () => headGrid([{ layer: 0, head: 0, value: Infinity }]),
    RangeError,
    "a value must be a finite number or NaN: current value is Infinity",
  );
  assertThrows(
    () => headGrid([{ layer: 0, head: 0, value: 1 }, { layer: 0, head: 0, value: 2 }]),
    RangeError,
    "layer 0, head 0 occurs again",
  );
  assertThrows(
    () => headGrid([{ layer: -1, head: 0, value: 1 }]),
    RangeError,
    "layer must be a whole number 0 .. 4096: current value is -1",
  );
  assertThrows(
    () => headGrid(matrix(1, 1), { range: [NaN, 1] }),
    RangeError,
    "the range must be two rising finite numbers: current value is [NaN, 1]",
  );
  await assertRejects(
    () => headGrid(matrix(1, 1), { palette: "jet" as "viridis" }).svg(),
    RangeError,
    "it must be viridis",
  );
});

Deno.test("headGrid() says in its text what is there", () => {
  const { text } = headGrid({ layers: 1, heads: 3, values: [0.25, NaN, 1] }, { label: "score" });
  assertMatch(
    text,
    /^Score of 1 x 3 heads: score 0\.25 \.\. 1; highest at layer 0, head 2; hatched: 1 of 3/,
  );
});

Deno.test("headGrid() of many heads says no circles, and tells sizes and texts under the pointer", async () => {
  const [layers, heads] = [2, 33];
  const ones = new Float64Array(layers * heads).fill(1);
  const figure = headGrid(
    { layers, heads, values: ones, sizes: ones, glyphs: [..."R".repeat(66)] },
    {
      sizeLabel: "budget",
    },
  );
  assert(!figure.text.includes("circle"), figure.text);
  assertStringIncludes(figure.text, "budget 1 .. 1");
  assertStringIncludes((await figure.picture()).script!, "budget 1\\nR");
});

Deno.test("headGrid() cuts texts that are wider than their cells", async () => {
  const glyphs = ["retrieval head", "R"];
  const svg = await headGrid({ layers: 1, heads: 2, values: [1, 2], glyphs }).svg();
  assertStringIncludes(svg, ">retrie\u2026</text>");
  assertStringIncludes(svg, "retrieval head</title>");
});
