import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { caption } from "../../lib/plot/draw/caption.ts";
import { colourBar } from "../../lib/plot/draw/colour_bar.ts";
import { LEVELS, loadPalette } from "../../lib/plot/draw/palette.ts";
import { makeScale } from "../../lib/plot/draw/scale.ts";
import { textMap } from "../../lib/plot/draw/text_map.ts";
import { pictureOf } from "./read_png.ts";

function textsOf(markup: string): string[] {
  return [...markup.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
}

Deno.test("a colour bar runs through all colours and numbers its quarters, where there is room", async () => {
  const [palette, scale] = [await loadPalette("viridis"), makeScale("sqrt", [0, 16])];
  const wide = await colourBar(palette, scale, { x: 0, y: 0, width: 300, title: "weight" });
  const { pixels, width, height } = pictureOf(wide, "ll-ramp");
  assertEquals([width, height], [LEVELS, 1]);
  assertEquals([...pixels], Array.from({ length: LEVELS }, (_, level) => level));
  assertEquals(textsOf(wide), ["weight (sqrt scale)", "0", "1", "4", "9", "16"]);
  const narrow = await colourBar(palette, scale, { x: 0, y: 0, width: 150, title: "weight" });
  assertEquals(textsOf(narrow), ["weight (sqrt scale)", "0", "4", "16"]);
});

Deno.test("a caption keeps every word in order, in lines that fit", () => {
  const facts = fc.array(
    fc.array(fc.stringMatching(/^[a-z0-9]{1,9}$/), { minLength: 1, maxLength: 20 }),
    {
      maxLength: 8,
    },
  ).map((facts) => facts.map((words) => words.join(" ")));
  fc.assert(
    fc.property(facts, fc.integer({ min: 100, max: 700 }), (facts, width) => {
      const { markup, height } = caption(facts, { x: 0, y: 0, width });
      const lines = textsOf(markup);
      assertEquals(height % Math.max(1, lines.length), 0);
      const words = (texts: readonly string[]) =>
        texts.join(" ").replaceAll(" \u00b7 ", " ").trim();
      assertEquals(words(lines), words(facts));
      for (const line of lines) assert(line.length <= Math.max(20, width / 6.2), line);
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("textMap() shades by ink, keeps the largest of a character and leaves NaN blank", () => {
  const scale = makeScale("linear", [], [0, 1]);
  const small = textMap([1, NaN, 0.5, 0], { rows: 2, columns: 2 }, scale);
  assertEquals(small, "\u2588\n\u2592\u00b7");
  const values = new Float64Array(120 * 240);
  values[0] = 1;
  values[119 * 240 + 239] = 0.7;
  const lines = textMap(values, { rows: 120, columns: 240 }, scale).split("\n");
  assertEquals(lines.map((line) => line.length), new Array(12).fill(24));
  assertEquals([lines[0]![0], lines[11]![23], lines[5]![5]], ["\u2588", "\u2593", "\u00b7"]);
});
