import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { attentionMap } from "../../lib/plot/attention_map.ts";
import { compare } from "../../lib/plot/compare.ts";
import { Figure } from "../../lib/plot/figure.ts";
import { gallery, galleryFigures } from "../../lib/plot/gallery.ts";
import { headGrid } from "../../lib/plot/head_grid.ts";
import { runSummary } from "../../lib/plot/run_summary.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { pictureOf } from "./read_png.ts";

function grid(value: number, label = "score"): Figure {
  return headGrid([{ layer: 0, head: 0, value }, { layer: 0, head: 1, value: 0 }], { label });
}

/** A figure whose picture tells how it was asked to be drawn. */
function probe(measure: string, range: readonly [number, number], script?: string): Figure {
  return new Figure({
    text: measure,
    ink: { measure, range },
    draw: (how) => ({
      svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${how.width ?? 100}" height="50">` +
        `<text>${measure} ${how.range}</text></svg>`,
      ...(script ? { script } : {}),
    }),
  });
}

function textsOf(svg: string): string[] {
  return [...parsed(svg).querySelectorAll("text")].map(({ textContent }) => textContent);
}

Deno.test("compare() of the gallery is as it was looked at", async () => {
  await assertGolden("compare.svg", await galleryFigures().compare!.svg());
});

Deno.test("compare() draws figures of a measure with the range of them all, others with their own", async () => {
  const figures = [probe("a", [0, 2]), probe("b", [5, 6]), probe("a", [-1, 1])];
  assertEquals(textsOf(await compare(figures).svg()), ["a -1,2", "b 5,6", "a -1,2"]);
  const own = await compare(figures, { shareRange: false }).svg();
  assertEquals(textsOf(own), ["a undefined", "b undefined", "a undefined"]);
});

Deno.test("compare() gives a value the same colour in every head grid", async () => {
  const fills = (svg: string) =>
    [...parsed(svg).querySelectorAll('[aria-label="cell"] rect')].map((rect) =>
      rect.getAttribute("fill")
    );
  const [small, zero, large] = fills(await compare([grid(0.5), grid(1)]).svg());
  const [alone] = fills(
    await headGrid([{ layer: 0, head: 0, value: 0.5 }], { range: [0, 1] }).svg(),
  );
  assertEquals(small, alone);
  assert(small !== large && zero !== small);
});

Deno.test("compare() simply works with attention maps", async () => {
  const map = (weight: number) =>
    attentionMap({ rows: 2, columns: 2, values: [weight, 0, weight / 2, weight / 2] });
  const figure = compare([map(1), map(0.5)]);
  const alone = pictureOf(await map(0.5).redrawn({ range: [0.25, 1] }).svg(), "ll-raster");
  const svg = await figure.svg();
  const second = svg.slice(svg.lastIndexOf('<image class="ll-raster"'));
  assertEquals(pictureOf(second, "ll-raster").pixels, alone.pixels);
});

Deno.test("compare() leaves figures alone whose colours are quantiles", async () => {
  const figure = headGrid([{ layer: 0, head: 0, value: 3 }], { scale: "quantile" });
  assertEquals(figure.ink, undefined);
  assertStringIncludes(await compare([figure, grid(9)]).svg(), "quantile scale");
});

Deno.test("compare() puts figures into columns without overlap", async () => {
  const figures = Array.from({ length: 5 }, (_, i) => probe(`${i}`, [0, 1]));
  const svg = await compare(figures, { columns: 3, width: 648, titles: ["a", "b", "c", "d", "e"] })
    .svg();
  assertMatch(svg, / width="648" height="168"/);
  const places = [...svg.matchAll(/<g transform="translate\((\d+),(\d+)\)"/g)].map((
    [, x, y],
  ) => [Number(x), Number(y)]);
  assertEquals(places, [[0, 22], [224, 22], [448, 22], [0, 118], [224, 118]]);
});

Deno.test("compare() gives HTML with each figure in a box that wraps", async () => {
  const html = parsed(
    await compare([grid(1), grid(2)], { titles: ["before", "after"], title: "Both" }).html(),
  );
  const items = [...html.querySelectorAll(".ll-compare > .ll-item")];
  assertEquals(items.map((item) => item.firstChild.textContent), ["before", "after"]);
  assertEquals(items.map((item) => item.querySelectorAll("svg").length), [1, 1]);
  assertMatch(html.querySelector(".ll-compare").getAttribute("style"), /flex-wrap:wrap/);
});

Deno.test("compare() runs each figure's script with the figure's own box as its root", async () => {
  const { JSDOM } = await import("jsdom");
  const script =
    `root.dataset.mark=root.querySelector("text").textContent;root.querySelector(".ll-tip").textContent="x";`;
  const inner = compare([probe("b", [0, 1], script), probe("c", [0, 1], script)]);
  const html = await compare([probe("a", [0, 1], script), inner]).html();
  const { window } = new JSDOM(`<body>${html}</body>`, { runScripts: "dangerously" });
  const marks = [...window.document.querySelectorAll("[data-mark]")].map((item) =>
    item.dataset.mark
  );
  assertEquals(marks, ["a 0,1", "b 0,1", "c 0,1"]);
  window.close();
});

Deno.test("compare() has the texts of its figures", () => {
  const figure = compare([probe("a", [0, 1]), probe("b", [0, 1])], {
    title: "T",
    titles: ["x", "y"],
  });
  assertEquals(figure.text, "T\n\nx\na\n\ny\nb");
});

Deno.test("compare() takes figures without colours", async () => {
  const run = runSummary({ phases: [{ name: "prefill", ms: 3 }] });
  assertStringIncludes(await compare([run, run]).svg(), "prefill");
});

Deno.test("compare() keeps hostile titles texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, (text) =>
      assertInert(compare([grid(1, text)], { title: text, titles: [text] }))),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("compare() names what is wrong", () => {
  assertThrows(
    () => compare([]),
    RangeError,
    "Cannot compare as there must be >= 1 figures: current value is 0",
  );
  assertThrows(
    () => compare([grid(1)], { titles: ["a", "b"] }),
    TypeError,
    "Cannot compare as titles must hold 1 texts: current value is 2",
  );
  assertThrows(
    () => compare([grid(1)], { columns: 0 }),
    RangeError,
    "Cannot compare as columns must be a whole number >= 1: current value is 0",
  );
});

Deno.test("gallery() says in every figure that its data are synthetic, and fits a notebook", async () => {
  const figures = galleryFigures();
  for (const [name, figure] of Object.entries(figures)) {
    assertStringIncludes(await figure.svg(), "synthetic data", name);
    assertStringIncludes(figure.text, "synthetic data", name);
  }
  const all = gallery();
  const bytes = (await all.svg()).length + (await all.html()).length;
  assert(bytes < 1.6e6, `${bytes} bytes`);
  await assertInert(all);
});

Deno.test("gallery() is the same every time", async () => {
  assertEquals(await gallery().svg(), await gallery().svg());
});

Deno.test("each figure of the gallery becomes a PNG of its size", async () => {
  for (const [name, figure] of Object.entries(galleryFigures())) {
    const png = await figure.png(1);
    const [width, height] = [16, 20].map((at) =>
      new DataView(png.buffer, png.byteOffset).getUint32(at)
    );
    const svg = await figure.svg();
    assertMatch(
      svg.slice(0, svg.indexOf(">")),
      new RegExp(` width="${width}" height="${height}"`),
      name,
    );
  }
});

Deno.test("compare() keeps figures whole that are asked to be too narrow", async () => {
  const { retrievalTrace, runSummary } = galleryFigures();
  const svg = await compare([retrievalTrace!, runSummary!], { width: 200 }).svg();
  assert(!/ (?:width|height|r)="-/.test(svg));
});

Deno.test("compare() breaks titles that are wider than their figures", async () => {
  const title = "A long title ".repeat(20).trim();
  const texts = textsOf(await compare([probe("a", [0, 1])], { title, titles: [title] }).svg());
  assertEquals(texts.filter((text) => text.length > 90), []);
  assertEquals(texts.filter((text) => text !== "a 0,1").join(" "), `${title} ${title}`);
});
