import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { HeadFile } from "../../lib/attention/head_file.ts";
import type { LayerPlan } from "../../lib/attention/plan.ts";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { patternGrid, type PatternHead } from "../../lib/plot/pattern_grid.ts";
import { patternCells } from "../../lib/plot/pattern/pattern_heads.ts";
import { patternKinds } from "../../lib/plot/pattern/pattern_kinds.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { pictureOf } from "./read_png.ts";

const ROW: PatternHead = { layer: 0, head: 0, pattern: "vertical-slash", tileShare: 0.25 };

function grid(layers: number, heads: number): PatternHead[] {
  const kinds = ["A-shape", "vertical-slash", null, "dense"];
  return Array.from({ length: layers * heads }, (_, i) => ({
    layer: Math.floor(i / heads),
    head: i % heads,
    pattern: kinds[i % 4]!,
    tileShare: (i % 5) / 5,
  }));
}

function textsOf(svg: string): string[] {
  return [...parsed(svg).querySelectorAll("text")].map(({ textContent }) => textContent!);
}

Deno.test("patternGrid() of the gallery is as it was looked at", async () => {
  await assertGolden("pattern_grid.svg", await galleryFigures().patternGrid!.svg());
});

Deno.test("patternGrid() tells each head's pattern, tiles and note", async () => {
  const rows = [ROW, { ...ROW, head: 1, note: "vertical 30" }, { ...ROW, layer: 1, pattern: null }];
  const titles = [...parsed(await patternGrid(rows).svg()).querySelectorAll("title")]
    .map(({ textContent }) => textContent!);
  assertEquals(titles.slice(0, 4), [
    "layer 0, head 0\nvertical-slash\n25 % of the tiles",
    "layer 0, head 1\nvertical-slash\n25 % of the tiles\nvertical 30",
    "layer 1, head 0\nno pattern",
    "layer 1, head 1\nno pattern",
  ]);
});

Deno.test("patternGrid() counts patterns in its text, with a map of letters", () => {
  const rows = [ROW, { ...ROW, head: 1, pattern: null, tileShare: NaN }, {
    ...ROW,
    head: 2,
    pattern: "A-shape",
    tileShare: 0.75,
  }];
  assertEquals(
    patternGrid(rows).text,
    "Patterns of 1 x 3 heads: V vertical-slash 1; A A-shape 1; bar: tile share, on average 50 %; " +
      "hatched: 1 of 3 without a pattern\nV\u00b7A",
  );
});

Deno.test("patternGrid() reads a head file and plans", () => {
  const entry = { type: null, scores: { tileShare: 0.2 }, candidates: [] };
  const file: HeadFile = {
    model: { name: "m", layers: 1, heads: 2, kvHeads: 1 },
    obtained: [],
    layers: [{
      queryHeads: [
        { ...entry, pattern: { kind: "verticalSlash", vertical: 30, slash: 800 } },
        { ...entry, scores: {}, pattern: null },
      ],
      kvHeads: [],
    }],
  };
  const { patterns, shares, notes } = patternCells(file);
  assertEquals(patterns, ["vertical-slash", null]);
  assertEquals([...shares], [0.2, NaN]);
  assertEquals(notes, ["vertical 30, slash 800", ""]);
  const streaming = { kind: "streaming", sink: 4, window: 64 } as const;
  const plans: LayerPlan[] = [{ heads: [streaming] }, {
    heads: [{ kind: "verticalSlash", vertical: [1, 2], slash: [0] }],
  }];
  const cells = patternCells(plans);
  assertEquals([cells.layers, cells.heads], [2, 1]);
  assertEquals(cells.patterns, ["sink and window", "vertical-slash"]);
  assertEquals(cells.notes, ["sink 4, window 64", "vertical 2, slash 1"]);
});

Deno.test("patternKinds() gives each pattern a letter and, up to eight, a colour of its own", () => {
  const names = [
    "dense",
    "A-shape",
    "sink and window",
    "vertical-slash",
    "Vast",
    "vertical",
    "",
    "x",
  ];
  const rows = names.map((pattern, head) => ({ ...ROW, head, pattern }));
  const kinds = patternKinds(patternCells(rows));
  assertEquals(new Set(kinds.map(({ letter }) => letter)).size, names.length);
  assertEquals(new Set(kinds.map(({ colour }) => colour)).size, names.length);
  const letters = new Map(kinds.map(({ name, letter }) => [name, letter]));
  assertEquals(["dense", "A-shape", "vertical-slash"].map((name) => letters.get(name)), [
    "D",
    "A",
    "V",
  ]);
});

Deno.test("patternKinds() gives patterns the same looks in whatever order they come", () => {
  const names = ["b one", "a two", "c three", "dense"];
  const looks = (order: readonly string[]) =>
    new Map(
      patternKinds(patternCells(order.map((pattern, head) => ({ ...ROW, head, pattern }))))
        .map(({ name, letter, colour }) => [name, letter + colour]),
    );
  const [one, two] = [looks(names), looks(names.toReversed())];
  for (const name of names) assertEquals(one.get(name), two.get(name));
});

Deno.test("patternGrid() draws bars as long as tile shares, at most a cell", async () => {
  const rows = [0.5, 2, 0].map((tileShare, head) => ({ ...ROW, head, tileShare }));
  const svg = parsed(await patternGrid(rows).svg());
  const cells = [...svg.querySelectorAll('[aria-label="cell"] rect')];
  const bars = [...svg.querySelectorAll('rect[pointer-events="none"]')];
  const width = (rect: { getAttribute(name: string): string | null }) =>
    Number(rect.getAttribute("width"));
  assertEquals(bars.length, 2);
  assertAlmostEquals(width(bars[0]!) / width(cells[0]!), 0.5, 0.02);
  assertAlmostEquals(width(bars[1]!) / width(cells[1]!), 1, 0.02);
});

Deno.test("patternGrid() of 32 x 32 heads is one picture with a letter and a bar for each head", async () => {
  const figure = patternGrid(grid(32, 32));
  const svg = await figure.svg();
  assert(svg.length < 80_000, `${svg.length}`);
  const { width, height, pixels, palette } = pictureOf(svg, "ll-grid");
  assertEquals([width, height], [32, 32]);
  assertEquals(palette[pixels[0]!]!.slice(0, 3), [0x00, 0x72, 0xb2]);
  assertEquals(palette[pixels[2]!]![3], 0);
  const letters = textsOf(svg).filter((text) => /^[AVD]{8,}$/.test(text)).join("");
  assertEquals(letters.length, 32 * 32 * 3 / 4);
  assert((await figure.picture()).script!.includes("vertical-slash"));
});

Deno.test("patternGrid() of more cells than can be read draws no letters", async () => {
  const svg = await patternGrid(grid(200, 64)).svg();
  assertEquals(textsOf(svg).filter((text) => /^[AVD]{8,}$/.test(text)), []);
  assert(svg.length < 30_000, `${svg.length}`);
});

Deno.test("patternGrid() draws heads of which nothing is known", async () => {
  const figure = patternGrid([{ layer: 0, head: 0, pattern: null }]);
  assertEquals(figure.text, "Patterns of 1 x 1 heads: hatched: 1 of 1 without a pattern\n\u00b7");
  assert(!(await figure.svg()).includes("NaN"));
});

Deno.test("patternGrid() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const named = (rows: readonly PatternHead[]) =>
        rows.map((row) => ({ ...row, pattern: text, note: text }));
      await assertInert(patternGrid(named(grid(2, 2)), { title: text }));
      await assertInert(patternGrid(named(grid(25, 25)), { title: text }));
    }),
    { numRuns: 4, seed: 1 },
  ));

Deno.test("patternGrid() names what is wrong", () => {
  const many = Array.from({ length: 37 }, (_, head) => ({ ...ROW, head, pattern: `p${head}` }));
  const cases: [rows: readonly PatternHead[], message: string][] = [
    [[], "there must be >= 1 heads: current value is 0"],
    [[ROW, ROW], "each must occur once: current value is layer 0, head 0 again"],
    [[{ ...ROW, layer: -1 }], "layer must be a whole number 0 .. 4095: current value is -1"],
    [[{ ...ROW, head: 5000 }], "head must be a whole number 0 .. 4095: current value is 5000"],
    [[{ ...ROW, tileShare: -1 }], "tileShare must be finite and >= 0, or NaN: current value is -1"],
    [[{ ...ROW, head: 4095, layer: 4095 }], "heads must be <= 1048576: current value is 16777216"],
    [many, "there must be <= 36 of them: current value is 37"],
  ];
  for (const [rows, message] of cases) {
    assertThrows(() => patternGrid(rows), RangeError, message);
  }
});
