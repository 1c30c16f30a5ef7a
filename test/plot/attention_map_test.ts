import {
  assert,
  assertEquals,
  assertGreater,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import { attentionMap, type AttentionMapOptions } from "../../lib/plot/attention_map.ts";
import type { Figure } from "../../lib/plot/figure.ts";
import type { AttentionMatrix, PooledAttention } from "../../lib/plot/map/map_grid.ts";
import { levelOf, loadPalette, NO_VALUE } from "../../lib/plot/draw/palette.ts";
import { makeScale } from "../../lib/plot/draw/scale.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText } from "./inert.ts";
import { madeMatrix, pooledMap } from "./made_attention.ts";
import { pictureOf } from "./read_png.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

const WORDS = "<s>|The| pass| key| is| 7|1|4|9|.|\n|What| is| the| pass| key|?| The| pass|<0xE2>"
  .split("|");

/** Every text of a picture, in the order of the document. */
async function textsOf(figure: Figure): Promise<string[]> {
  const { window } = new JSDOM(await figure.svg());
  return [...window.document.querySelectorAll("text")].map((text) => text.textContent!);
}

/** Attention of a token on itself and on the first, of 32,768 tokens in 512 bins. */
function longMap(): PooledAttention {
  const [tokens, bins] = [32_768, 512];
  const [mean, max] = [new Float32Array(bins * bins), new Float32Array(bins * bins)];
  for (let row = 0; row < bins; row++) {
    for (let column = 0; column <= row; column++) {
      const spread = 0.3 / (row + 1) * (0.5 + ((row * 131 + column * 71) % 100) / 100);
      mean[row * bins + column] = spread + (column === 0 ? 0.4 : 0) + (column === row ? 0.3 : 0);
      max[row * bins + column] = mean[row * bins + column]! / 2;
    }
  }
  return { layer: 3, head: 1, tokens, bins, mean, max };
}

Deno.test("each pixel is the level of its cell's value, and cells behind the query are transparent", async () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 20 }),
    before: fc.integer({ min: 0, max: 9 }),
    bins: fc.integer({ min: 1, max: 24 }),
    pool: fc.constantFrom<"max" | "mean">("max", "mean"),
    scale: fc.constantFrom<"linear" | "sqrt" | "log" | "quantile">(
      "linear",
      "sqrt",
      "log",
      "quantile",
    ),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ rows, before, bins, pool, scale: name }) => {
      const matrix = madeMatrix(rows, rows + before, rows);
      const figure = attentionMap(matrix, { bins, pool, scale: name });
      const { width, height, pixels } = pictureOf(await figure.svg(), "ll-raster");
      const cells = cellsOf(matrix, height, width);
      const values = cells.map((cell) => cell.length === 0 ? NaN : pooled(cell, pool));
      const scale = makeScale(name, values);
      assertEquals([...pixels], values.map((value) => levelOf(scale.ink(value))));
    }),
    { numRuns: 40, seed: 1 },
  );
});

/** Probabilities of each cell by query: only those of keys that the query sees. */
function cellsOf({ rows, columns, values }: AttentionMatrix, rowBins: number, columnBins: number) {
  const cells = Array.from({ length: rowBins * columnBins }, () => [] as number[][]);
  for (let row = 0; row < rows; row++) {
    const touched = new Map<number, number[]>();
    for (let key = 0; key < columns; key++) {
      const cell = Math.floor(row * rowBins / rows) * columnBins +
        Math.floor(key * columnBins / columns);
      const seen = key <= columns - rows + row ? [values[row * columns + key]!] : [];
      touched.set(cell, [...(touched.get(cell) ?? []), ...seen]);
    }
    touched.forEach((seen, cell) => cells[cell]!.push(seen));
  }
  return cells.map((queries) => queries.every((seen) => seen.length === 0) ? [] : queries);
}

function pooled(queries: readonly (readonly number[])[], pool: "max" | "mean"): number {
  if (pool === "max") return Math.max(...queries.flat());
  return queries.flat().reduce((sum, value) => sum + value, 0) / queries.length;
}

Deno.test("the raster has the palette's colours", async () => {
  const figure = attentionMap(madeMatrix(6, 6), { palette: "cividis" });
  const { palette } = pictureOf(await figure.svg(), "ll-raster");
  assertEquals(Uint8Array.from(palette.flat()), (await loadPalette("cividis")).bytes);
});

Deno.test("range gives values at and beyond its ends the ends' colours", async () => {
  const matrix = { rows: 2, columns: 2, values: [1, 0, 0.25, 0.75] };
  const figure = attentionMap(matrix, { range: [0.5, 0.75], scale: "linear" });
  assertEquals([...pictureOf(await figure.svg(), "ll-raster").pixels], [254, NO_VALUE, 0, 254]);
  const wider = figure.redrawn({ range: [0, 1] });
  assertEquals([...pictureOf(await wider.svg(), "ll-raster").pixels], [254, NO_VALUE, 64, 191]);
});

Deno.test("excludeSink leaves the first column out of the colours and says so", async () => {
  const map = pooledMap(madeMatrix(60, 60), 20);
  const [whole, without] = [attentionMap(map), attentionMap(map, { excludeSink: true })];
  const { pixels, width } = pictureOf(await without.svg(), "ll-raster");
  assertEquals(new Set(pixels.filter((_, i) => i % width === 0)), new Set([NO_VALUE]));
  assert(pixels.filter((_, i) => i % width === 1).some((level) => level !== NO_VALUE));
  assertGreater(whole.ink!.range[1], without.ink!.range[1]);
  const share = whole.text.match(/first 3 keys: (\d+) % of the mass\n/)![1];
  assertStringIncludes(without.text, `first 3 keys: ${share} % of the mass, left out`);
  assertStringIncludes((await textsOf(without)).join("\n"), "of the mass, left out");
});

Deno.test("the caption states layer, head, tokens, how, bins, ends of the values and the first column", async () => {
  const texts = await textsOf(attentionMap(longMap()));
  assertEquals(texts.includes("Attention of layer 3, head 1"), true);
  const caption = texts.join(" \u00b7 ");
  for (const fact of ["32,768 tokens", "dense", "bin = 64 tokens, max", "first 64 keys: "]) {
    assertStringIncludes(caption, fact);
  }
  assertStringIncludes(caption, "key (token; bin = 64 tokens)");
  assertStringIncludes(caption, "largest weight of a cell (sqrt scale)");
});

Deno.test("a matrix says nothing of how it was computed unless it is told", () => {
  assert(!attentionMap(madeMatrix(4, 4)).text.includes("dense"));
  assertStringIncludes(
    attentionMap(madeMatrix(4, 4), { method: "streaming" }).text,
    "; streaming; ",
  );
  assertStringIncludes(attentionMap(madeMatrix(4, 9)).text, "4 queries, 9 keys");
});

Deno.test("the caption states how many cells are 0, without those behind the query", () => {
  const values = [1, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 1, 0, 0.5, 0, 0, 0.5];
  assertStringIncludes(
    attentionMap({ rows: 4, columns: 4, values }).text,
    "; 40 % of the cells are 0; ",
  );
  assert(!attentionMap(madeMatrix(4, 4)).text.includes("are 0"));
});

Deno.test("tokens name the rows and columns up to 64, and no longer axis", async () => {
  const named = await textsOf(attentionMap(madeMatrix(20, 20), { tokens: WORDS }));
  for (const name of ["<s>", "\u00b7pass", "\u21b5", "<0xE2>"]) {
    assertEquals(
      named.filter((text) => text === name).length,
      2 *
        WORDS.filter((word) =>
          word === name || ` ${name.slice(1)}` === word || (name === "\u21b5" && word === "\n")
        ).length,
    );
  }
  const tokens = Array.from({ length: 65 }, (_, i) => ` word${i}`);
  const long = await textsOf(attentionMap(madeMatrix(3, 65), { tokens }));
  assertEquals(long.filter((text) => text.includes("word")), [
    "\u00b7word62",
    "\u00b7word63",
    "\u00b7word64",
  ]);
});

Deno.test("rows of a part of the queries have the positions and the names of their tokens", async () => {
  const figure = attentionMap(madeMatrix(5, 20), { tokens: WORDS });
  const names = (await textsOf(figure)).filter((text) =>
    WORDS.slice(15).some((word) => text === word.replace(" ", "\u00b7"))
  );
  assertEquals(names.includes("<0xE2>"), true);
  const ticks = await textsOf(attentionMap(madeMatrix(100, 1000)));
  assertEquals(["900", "950", "1,000"].every((tick) => ticks.includes(tick)), true);
});

Deno.test("the text has the facts and a small map in characters", () => {
  const lines = attentionMap(pooledMap(madeMatrix(48, 48), 24)).text.split("\n");
  assert(
    lines[0]!.startsWith("Attention of layer 1, head 2: 48 tokens; dense; bin = 2 tokens, max; "),
  );
  assertEquals(lines.length, 13);
  assert(lines[1]!.length === 2 && lines[12]!.length === 24, lines.join("\n"));
  assertEquals(lines[12]!.trimEnd(), lines[12]);
});

Deno.test("attentionMap() refuses fewer tokens than keys", () => {
  assertThrows(
    () => attentionMap(madeMatrix(4, 4), { tokens: ["a"] }),
    TypeError,
    "tokens must hold 4 texts: current value is 1",
  );
});

Deno.test("a plan is an overlay that a checkbox hides without script", async () => {
  const map = pooledMap(madeMatrix(40, 40), 10);
  const tiles = [{ queries: [0, 40], keys: [0, 4] }] as const;
  const html = await attentionMap(map, { plan: { tiles } }).html();
  const { window } = new JSDOM(html);
  const [box] = window.document.querySelectorAll(".ll-plan-switch input");
  assertEquals(box!.hasAttribute("checked"), true);
  assertEquals(window.document.querySelectorAll("svg image.ll-plan").length, 1);
  assertStringIncludes(html, ".ll-plan-switch:not(:has(:checked))~svg .ll-plan{display:none}");
  assert(!(await attentionMap(map).html()).includes("ll-plan"));
});

Deno.test("a map of 32,768 tokens with their texts and a plan is a bundle below 1 MB", async () => {
  const tokens = Array.from({ length: 32_768 }, (_, i) => ` token${i}`);
  const tiles = Array.from({ length: 512 }, (_, i) => ({
    queries: [64 * i, 64 * i + 64] as const,
    keys: [Math.max(0, 64 * i - 4096), 64 * i + 64] as const,
  }));
  const before = Deno.memoryUsage().rss;
  const figure = attentionMap(longMap(), { tokens, plan: { tiles } });
  const [svg, html] = [await figure.svg(), await figure.html()];
  const size = new Blob([figure.text, svg, html]).size;
  assert(size < 1_000_000, `${size} bytes`);
  // A byte for each query and key alone would be 1 GB.
  assert(Deno.memoryUsage().rss - before < 400e6);
});

/** A page's figure with its script run, the raster laid out as 200 x 200 pixels at (100, 50). */
async function hovered(data: AttentionMatrix | PooledAttention, options: AttentionMapOptions) {
  const picture = await attentionMap(data, options).picture();
  const { window } = new JSDOM(`<div id="root">${picture.html}<div class="ll-tip"></div></div>`);
  const root = window.document.querySelector<"div">("#root" as "div")!;
  const image = window.document.querySelector(".ll-raster")!;
  const box = {
    left: 100,
    top: 50,
    right: 300,
    bottom: 250,
    width: 200,
    height: 200,
    x: 100,
    y: 50,
  };
  image.getBoundingClientRect = () => ({ ...box, toJSON: () => box });
  new Function("root", picture.script!)(root);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const tip = window.document.querySelector<"div">(".ll-tip" as "div")!;
  const note = window.document.querySelector(".ll-pin")!;
  const line = window.document.querySelector(".ll-pin-line")!;
  const fire = (type: string, x: number, y: number) =>
    image.dispatchEvent(new window.MouseEvent(type, { clientX: x, clientY: y, bubbles: true }));
  return { tip, note, line, fire };
}

const SQUARE = {
  rows: 4,
  columns: 4,
  values: [1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.2, 0.2, 0.6, 0, 0.1, 0.7, 0.1, 0.1],
};
const FOUR = [" a", "b", "\n", "</script>"];

Deno.test("the pointer shows the query, the key, their texts and the weight", async () => {
  const { tip, fire } = await hovered(SQUARE, { tokens: FOUR, scale: "linear", range: [0, 1] });
  assertEquals(tip.style.display, "");
  fire("pointermove", 160, 225);
  assertEquals(tip.style.display, "block");
  assertEquals(tip.textContent, "query 3 </script>\nkey 1 b\nweight \u2248 0.701");
  fire("pointermove", 299, 51);
  assertEquals(tip.textContent, "query 0 \u00b7a\nkey 3 </script>\nweight none");
  fire("pointerleave", 0, 0);
  assertEquals(tip.style.display, "none");
});

Deno.test("the pointer shows the ranges of bins, and the positions of the last queries", async () => {
  const pooled = pooledMap(madeMatrix(40, 40), 4);
  const { tip, fire } = await hovered(pooled, {});
  fire("pointermove", 110, 245);
  assert(
    /^query 30\u201339 \nkey 0\u20139 \nlargest weight of a cell \u2248 0\.\d+$/.test(
      tip.textContent!,
    ),
  );
  const last = await hovered(madeMatrix(4, 20), { tokens: WORDS });
  last.fire("pointermove", 101, 249);
  assert(last.tip.textContent!.startsWith("query 19 <0xE2>\nkey 0 <s>\nweight "));
});

Deno.test("a click pins a row with its largest cells, and a second one lets it go", async () => {
  const { note, line, fire } = await hovered(SQUARE, {
    tokens: FOUR,
    scale: "linear",
    range: [0, 1],
  });
  fire("click", 110, 225);
  assertEquals(note.textContent!.split("\n").slice(0, 2), [
    "query 3 </script>",
    "  \u2248 0.701  key 1 b",
  ]);
  assertEquals(line.getAttribute("visibility"), "visible");
  fire("click", 290, 225);
  assertEquals([note.textContent, line.getAttribute("visibility")], ["", "hidden"]);
});

Deno.test("the texts of tokens are embedded once and cut", async () => {
  const tokens = Array.from({ length: 640 }, (_, i) => ` needle${i}`);
  const html = await attentionMap(pooledMap(madeMatrix(640, 640), 64), { tokens }).html();
  assertEquals(html.split("needle0").length, 2);
  assert(!html.includes("needle5\u00b7"));
});

Deno.test("tokens of the corpus stay text in a map", async () => {
  for (let first = 0; first < XSS_TOKENS.length; first += 40) {
    const tokens = XSS_TOKENS.slice(first, first + 40);
    await assertInert(attentionMap(madeMatrix(tokens.length, tokens.length), { tokens }));
  }
});

Deno.test("hostile titles, methods and tokens stay text in a map", async () => {
  await fc.assert(
    fc.asyncProperty(
      hostileText,
      hostileText,
      fc.array(hostileText, { minLength: 5, maxLength: 5 }),
      async (title, method, tokens) => {
        await assertInert(attentionMap(madeMatrix(5, 5), { title, method, tokens }));
      },
    ),
    { numRuns: 15, seed: 1 },
  );
});

Deno.test("a small map with tokens is the golden one", async () => {
  const figure = attentionMap(madeMatrix(20, 20), { tokens: WORDS });
  await assertGolden("attention_map_tokens.svg", await figure.svg());
  await assertGolden("attention_map_tokens.html", await figure.html("golden"));
});

Deno.test("a pooled map with a plan and without its sink is the golden one", async () => {
  const tiles = Array.from({ length: 25 }, (_, i) => ({
    queries: [24 * i, 24 * i + 24] as const,
    keys: [Math.max(6, 24 * i - 120), 24 * i + 24] as const,
  }));
  const plan = { tiles: [{ queries: [0, 600], keys: [0, 6] } as const, ...tiles] };
  const map = pooledMap(madeMatrix(600, 600), 100);
  const figure = attentionMap(map, { plan, scale: "log", excludeSink: true });
  await assertGolden("attention_map_plan.svg", await figure.svg());
});

Deno.test("queries without weights count in no mean", () => {
  const values = [1, 0, 0, NaN, NaN, NaN, 0.5, 0.25, 0.25];
  const { text } = attentionMap({ rows: 3, columns: 3, values });
  assertStringIncludes(text, "first key: 75 % of the mass");
  const none = attentionMap({ rows: 1, columns: 1, values: [NaN] }).text;
  assertStringIncludes(none, "first key: - of the mass");
});

Deno.test("attentionMap() refuses a pooled map of more bins than tokens", () => {
  const [mean, max] = [new Float64Array(16), new Float64Array(16)];
  assertThrows(
    () => attentionMap({ layer: 0, head: 0, tokens: 2, bins: 4, mean, max }),
    TypeError,
    "mean must hold 2 x 2 numbers: current value is 16",
  );
});

Deno.test("quantile scales have no range that others share", () => {
  const values = [1, 0, 0.5, 0.5];
  assertEquals(attentionMap({ rows: 2, columns: 2, values }, { scale: "quantile" }).ink, undefined);
});
