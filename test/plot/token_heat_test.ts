import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import { foldText, heatRuns } from "../../lib/plot/heat/heat_runs.ts";
import { shadeLevel, SHADES, shades } from "../../lib/plot/heat/heat_shade.ts";
import { type Colour, loadPalette, parseColour } from "../../lib/plot/draw/palette.ts";
import { makeScale } from "../../lib/plot/draw/scale.ts";
import { TokenLines } from "../../lib/plot/draw/token_lines.ts";
import { tokenHeat } from "../../lib/plot/token_heat.ts";
import { visibleToken } from "../../lib/plot/draw/token_text.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText } from "./inert.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

const TOKENS = "<s>|The| pass| key| is| 7|1|4|9|.|\n|What| is| the| pass| key|?".split("|");
const SCORES = TOKENS.map((_, i) => (i * 7 % 17) / 16);

async function pageOf(...args: Parameters<typeof tokenHeat>) {
  return new JSDOM(await tokenHeat(...args).html("id")).window.document;
}

function metric(values: readonly number[], name = "score") {
  return { name, values, scale: makeScale("linear", values) };
}

Deno.test("every token is isolated, shows its text and has its number as a title", async () => {
  const document = await pageOf(TOKENS, { attention: SCORES });
  const shown = [...document.querySelectorAll(".ll-text bdi")];
  assertEquals(shown.map((token) => token.textContent), TOKENS.map(visibleToken));
  assertEquals(shown[3]!.getAttribute("title"), "3 \u00b7 attention 0.25");
  assertEquals(document.querySelectorAll(".ll-text br").length, 1);
});

Deno.test("the class of a token is the level of its score", async () => {
  const document = await pageOf(TOKENS, SCORES, { scale: "linear", range: [0, 1] });
  const classes = [...document.querySelectorAll(".ll-text bdi")].map((token) => token.className);
  const levels = SCORES.map((score) => Math.round(score * (SHADES - 1)));
  assertEquals(classes, levels.map((level) => level === 0 ? "" : `s0-${level}`));
});

Deno.test("each level has a rule with a background, and a thicker underline the higher it is", async () => {
  const style = (await pageOf(TOKENS, SCORES)).querySelector(".ll-heat style")!.textContent!;
  const rules = [
    ...style.matchAll(
      /\.s0-(\d+)\{background:rgba\(213,94,0,([\d.]+)\);box-shadow:inset 0 -([\d.]+)px/g,
    ),
  ];
  assertEquals(
    rules.map(([, level]) => Number(level)),
    Array.from({ length: SHADES - 1 }, (_, i) => i + 1),
  );
  rules.forEach(([, , opacity, line], i) => {
    assert(i === 0 || Number(opacity) > Number(rules[i - 1]![2]));
    assert(i === 0 || Number(line) > Number(rules[i - 1]![3]));
  });
});

/** WCAG 2.2 contrast of a text on a colour that covers a page in part. */
function contrast(text: Colour, over: Colour, opacity: number, page: Colour): number {
  const mixed = over.map((part, i) => opacity * part + (1 - opacity) * page[i]!);
  const [dark, light] = [luminance(text), luminance(mixed)].sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

function luminance(colour: readonly number[]): number {
  const [red, green, blue] = colour.map((part) => part / 255).map((share) =>
    share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  );
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

Deno.test("texts have a contrast of 4.5 on every shade, on light and on dark pages", async () => {
  const palettes = [
    undefined,
    ...await Promise.all((["viridis", "cividis", "magma", "greys"] as const).map(loadPalette)),
  ];
  const pages: readonly (readonly [page: Colour, text: Colour])[] = [
    [[255, 255, 255], [0, 0, 0]],
    [[0, 0, 0], [255, 255, 255]],
    [[17, 17, 17], [255, 255, 255]],
    [[30, 30, 30], [255, 255, 255]],
  ];
  for (const palette of palettes) {
    for (const { background, opacity, text } of shades(palette)) {
      for (const [page, pageText] of pages) {
        const colour: Colour = text === undefined
          ? pageText
          : text === "#000"
          ? [0, 0, 0]
          : [255, 255, 255];
        const behind = background ? parseColour(background) : page;
        assertGreaterOrEqual(
          contrast(colour, behind, opacity, page),
          4.5,
          `${palette?.name} ${opacity}`,
        );
      }
    }
  }
});

Deno.test("no score has no shade, and NaN has none either", async () => {
  assertEquals([0, NaN, 1].map(shadeLevel), [0, 0, SHADES - 1]);
  assertEquals(shades()[0], { background: undefined, opacity: 0, text: undefined, underline: 0 });
  const [first] = (await pageOf(["a", "b"], [NaN, 2])).querySelectorAll(".ll-text bdi");
  assertEquals([first!.className, first!.getAttribute("title")], ["", "0 \u00b7 score -"]);
});

Deno.test("several scores have a button each, the first chosen, and rules that follow the choice", async () => {
  const document = await pageOf(TOKENS, { attention: SCORES, surprise: SCORES.toReversed() });
  const buttons = [...document.querySelectorAll('input[type="radio"]')];
  assertEquals(buttons.map((button) => button.hasAttribute("checked")), [true, false]);
  assertEquals(buttons.map((button) => button.parentElement!.textContent!.trim()), [
    "attention",
    "surprise",
  ]);
  assertEquals(new Set(buttons.map((button) => button.closest("form"))).size, 1);
  const style = document.querySelector(".ll-heat style")!.textContent!;
  assertStringIncludes(style, ".ll-heat-page-2:has(.ll-score-1:checked) .s1-5{");
  const [, second] = document.querySelectorAll(".ll-text bdi");
  assertEquals(
    second!.className,
    `s0-${shadeLevel(Math.sqrt(SCORES[1]!))} s1-${shadeLevel(Math.sqrt(SCORES.at(-2)!))}`,
  );
  assertEquals(second!.getAttribute("title"), "1 \u00b7 attention 0.438 \u00b7 surprise 0.188");
  assertEquals(document.querySelectorAll("script").length, 0);
});

Deno.test("runs hold every token once, in order, and texts up to maxTokens are open", () => {
  const cases = fc.record({
    values: fc.array(
      fc.oneof(fc.constant(0), fc.constant(NaN), fc.double({ min: 0, max: 1, noNaN: true })),
      {
        minLength: 1,
        maxLength: 400,
      },
    ),
    maxTokens: fc.integer({ min: 1, max: 100 }),
    window: fc.integer({ min: 0, max: 30 }),
  });
  fc.assert(
    fc.property(cases, ({ values, maxTokens, window }) => {
      const runs = heatRuns(values.length, [metric(values)], { maxTokens, window });
      let at = 0;
      runs.forEach((run, i) => {
        assert(run.start === at && run.end > at);
        assert(i === 0 || run.open !== runs[i - 1]!.open);
        at = run.end;
      });
      assertEquals(at, values.length);
      if (values.length <= maxTokens) assertEquals(runs.length, 1);
      assert(runs.some((run) => run.open));
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("the largest score of a long text is open with its surroundings", () => {
  const values = Array.from({ length: 5000 }, (_, i) => i === 3210 ? 9 : (i % 10) / 1e4);
  const runs = heatRuns(5000, [metric(values)], { maxTokens: 100, window: 20 });
  assertEquals(runs, [
    { start: 0, end: 3190, open: false },
    { start: 3190, end: 3231, open: true },
    { start: 3231, end: 5000, open: false },
  ]);
  assertEquals(foldText(runs[0]!, [metric(values)]), "\u2026 3,190 tokens, largest 9.0e-4 \u2026");
});

Deno.test("a window shows the largest of any score, and folds say the largest of each", () => {
  const [one, two] = [10, 900].map((peak, i) =>
    metric(Array.from({ length: 1000 }, (_, token) => token === peak ? 1 : 0), `m${i}`)
  );
  const runs = heatRuns(1000, [one!, two!], { maxTokens: 50, window: 5 });
  assertEquals(runs.filter((run) => run.open).map(({ start, end }) => [start, end]), [[0, 16], [
    895,
    906,
  ]]);
  assertEquals(
    foldText(runs[1]!, [one!, two!]),
    "\u2026 879 tokens, largest 0 (m0), 0 (m1) \u2026",
  );
});

Deno.test("folded runs are details with their text, and very long ones keep their ends", async () => {
  const tokens = Array.from({ length: 6000 }, (_, i) => ` t${i}.`);
  const scores = tokens.map((_, i) => i === 5000 ? 1 : 0);
  const [fold] = (await pageOf(tokens, scores)).querySelectorAll("details");
  assertStringIncludes(fold!.querySelector("summary")!.textContent!, "4,976 tokens, largest 0");
  const text = fold!.textContent!;
  for (const kept of [" t0.", " t999.", " t3976.", " t4975."]) assertStringIncludes(text, kept);
  for (const left of [" t1000.", " t3975.", " t4976."]) assert(!text.includes(left), left);
  assertEquals(fold!.hasAttribute("open"), false);
});

Deno.test("a text of 131,072 tokens with four scores is a bundle below 1 MB", async () => {
  const tokens = Array.from({ length: 131_072 }, (_, i) => ` token${i}`);
  const scores = Object.fromEntries([0, 1, 2, 3].map((kind) => [
    `score ${kind}`,
    Float32Array.from(tokens, (_, i) => ((i * 7919 + kind * 31) % 10_007) / 10_007),
  ]));
  const figure = tokenHeat(tokens, scores);
  const size = new Blob([await figure.svg(), await figure.html()]).size;
  assert(size < 1_000_000, `${size} bytes`);
});

Deno.test("the SVG keeps every open token on its line and within the width", async () => {
  const tokens = [..."abcdefghij"].map((c, i) => ` ${c.repeat(1 + i * 9)}`).concat(
    "\u65e5\u672c\u8a9e",
    "e\u0301",
  );
  const width = 300;
  const svg = await tokenHeat(tokens, tokens.map((_, i) => i), { width }).svg();
  const texts = [...new JSDOM(svg).window.document.querySelectorAll("text[textLength]")];
  assertEquals(texts.map((text) => text.textContent), tokens.map(visibleToken));
  for (const text of texts) {
    const [x, length] = ["x", "textLength"].map((name) => Number(text.getAttribute(name)));
    assert(x! + length! <= width, `${text.textContent}`);
  }
});

Deno.test("the SVG shows the first score and says which others the page has", async () => {
  const svg = await tokenHeat(TOKENS, { a: SCORES, b: SCORES, c: SCORES }).svg();
  assertStringIncludes(svg, "shaded by a; the page can show b, c");
});

Deno.test("a range shared by redrawn() changes the levels", async () => {
  const figure = tokenHeat(["a", "b"], { score: [0, 1] }, { scale: "linear" });
  assertEquals(figure.ink, { measure: "score", range: [0, 1] });
  const page = new JSDOM(await figure.redrawn({ range: [0, 2] }).html()).window.document;
  assertEquals(page.querySelectorAll(".ll-text bdi")[1]!.className, `s0-${shadeLevel(0.5)}`);
  assertEquals(tokenHeat(["a"], { one: [1], two: [2] }).ink, undefined);
});

Deno.test("the text of a figure names the largest tokens", () => {
  const { text } = tokenHeat(TOKENS, {
    attention: SCORES.map((score, i) => i === 5 ? 3 : score / 4),
  });
  assert(text.startsWith("Tokens by attention: 17 tokens; attention: 0 .. 3 (sqrt scale)\n"));
  assertStringIncludes(text, "\u00b77 3");
});

Deno.test("tokenHeat() refuses no scores and scores that are not one a token", () => {
  assertThrows(() => tokenHeat(["a"], {}), TypeError, "there are no scores");
  assertThrows(
    () => tokenHeat(["a"], [1, 2]),
    TypeError,
    "score must hold 1 scores: current value is 2",
  );
  assertThrows(
    () => tokenHeat(["a"], { x: [] }),
    TypeError,
    "x must hold 1 scores: current value is 0",
  );
});

Deno.test("an empty text is drawn", async () => {
  const figure = tokenHeat([], []);
  assertStringIncludes(figure.text, "0 tokens");
  assertStringIncludes(await figure.svg(), "<svg");
});

Deno.test("tokens of the corpus stay text, open and folded", async () => {
  await assertInert(tokenHeat(XSS_TOKENS, XSS_TOKENS.map((_, i) => i)));
  const folded = tokenHeat(XSS_TOKENS, XSS_TOKENS.map((_, i) => i === 0 ? 1 : 0), {
    maxTokens: 3,
    window: 1,
  });
  await assertInert(folded);
  const document = new JSDOM(await folded.html()).window.document;
  assertStringIncludes(document.querySelector("details")!.textContent!, "</script>");
});

Deno.test("hostile titles, names of scores and tokens stay text", async () => {
  await fc.assert(
    fc.asyncProperty(
      hostileText,
      hostileText,
      fc.array(hostileText, { minLength: 1, maxLength: 6 }),
      async (title, name, tokens) => {
        const scores = tokens.map((_, i) => i);
        await assertInert(tokenHeat(tokens, { [name]: scores, other: scores }, { title }));
      },
    ),
    { numRuns: 15, seed: 1 },
  );
});

Deno.test("a text with two scores is the golden one", async () => {
  const figure = tokenHeat(TOKENS, { attention: SCORES, surprise: SCORES.toReversed() });
  await assertGolden("token_heat.html", await figure.html("golden"));
  await assertGolden("token_heat.svg", await figure.svg());
});

Deno.test("a long text with folds and a palette is the golden one", async () => {
  const tokens = Array.from({ length: 900 }, (_, i) => i % 13 === 0 ? ".\n" : ` w${i}`);
  const scores = tokens.map((_, i) =>
    Math.exp(-Math.abs(i - 300) / 9) + Math.exp(-Math.abs(i - 700) / 4) / 2
  );
  const figure = tokenHeat(tokens, scores, { palette: "viridis", maxTokens: 120, window: 20 });
  await assertGolden("token_heat_folds.svg", await figure.svg());
});

Deno.test("TokenLines counts the lines of very many pieces", () => {
  const lines = new TokenLines(10);
  for (let i = 0; i < 200_000; i++) lines.put("12345", 0);
  assertEquals(lines.count, 100_000);
});

Deno.test("scores by quantile have no range that others share", () => {
  assertEquals(tokenHeat(["a", "b"], [1, 2], { scale: "quantile" }).ink, undefined);
});
