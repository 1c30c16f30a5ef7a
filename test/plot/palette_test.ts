import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import {
  CATEGORIES,
  type Colour,
  css,
  levelOf,
  LEVELS,
  loadPalette,
  NO_VALUE,
  type PaletteName,
  textOn,
} from "../../lib/plot/draw/palette.ts";

const NAMES: readonly PaletteName[] = ["viridis", "cividis", "magma", "greys"];

/** WCAG 2.2, "relative luminance" and "contrast ratio". */
function contrast(a: Colour, b: Colour): number {
  const [dark, light] = [a, b].map(luminance).sort((x, y) => x - y);
  return (light! + 0.05) / (dark! + 0.05);
}

function luminance(colour: Colour): number {
  const [red, green, blue] = colour.map((part) => part / 255).map((share) =>
    share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  );
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** Colours of matplotlib 3: viridis, cividis and magma at 0, 1/4, 1/2, 3/4 and 1. */
const ANCHORS: readonly [PaletteName, readonly string[]][] = [
  ["viridis", ["440154", "3b528b", "21918c", "5ec962", "fde725"]],
  ["cividis", ["00224e", "414d6b", "7d7c78", "bcae6c", "fee838"]],
  ["magma", ["000004", "51127c", "b73779", "fc8961", "fcfdbf"]],
];

Deno.test("colour() gives the published colours of viridis, cividis and magma", async () => {
  for (const [name, anchors] of ANCHORS) {
    const palette = await loadPalette(name);
    anchors.forEach((anchor, i) => {
      const right = [0, 2, 4].map((at) => parseInt(anchor.slice(at, at + 2), 16));
      const difference = palette.colour(i / 4).map((part, j) => Math.abs(part - right[j]!));
      // d3's cividis is a polynomial near the published colours.
      const most = name === "cividis" ? 14 : 2;
      assert(difference.every((d) => d <= most), `${name} at ${i / 4}: ${palette.colour(i / 4)}`);
    });
  }
});

Deno.test("palettes go from dark to light without turning, greys from light to dark", async () => {
  for (const name of NAMES) {
    const { colour } = await loadPalette(name);
    const lights = Array.from({ length: 33 }, (_, i) => luminance(colour(i / 32)));
    if (name === "greys") lights.reverse();
    lights.forEach((light, i) => assert(light >= (lights[i - 1] ?? 0), `${name} at ${i}`));
  }
});

Deno.test("bytes are the colours of all levels and a transparent entry", async () => {
  for (const name of NAMES) {
    const { bytes, colour } = await loadPalette(name);
    assertEquals(bytes.length, 4 * 256);
    for (let level = 0; level < LEVELS; level++) {
      const entry = [...bytes.subarray(4 * level, 4 * level + 4)];
      assertEquals(entry, [...colour(level / (LEVELS - 1)), 255]);
    }
    assertEquals(bytes[4 * NO_VALUE + 3], 0);
  }
});

Deno.test("levelOf() spreads ink over all levels and gives NaN the transparent entry", () => {
  assertEquals([0, 0.5, 1, NaN].map(levelOf), [0, 127, 254, NO_VALUE]);
});

Deno.test("textOn() gives the better of black and white, which reaches a contrast of 4.5", async () => {
  const inks = Array.from({ length: 65 }, (_, i) => i / 64);
  for (const name of NAMES) {
    const { colour } = await loadPalette(name);
    for (const ink of inks) {
      const [black, white] = [
        contrast(colour(ink), [0, 0, 0]),
        contrast(colour(ink), [255, 255, 255]),
      ];
      const chosen = textOn(colour(ink)) === "#000" ? black : white;
      assertGreaterOrEqual(chosen, 4.5);
      assertGreaterOrEqual(chosen, Math.max(black, white) - 0.1);
    }
  }
});

Deno.test("CATEGORIES are the eight colours of Okabe and Ito", () => {
  const published = [
    [0, 0, 0],
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
  ];
  const hex = published.map((parts) =>
    `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`
  );
  assertEquals([...CATEGORIES].sort(), hex.sort());
});

Deno.test("css() writes a colour", () => {
  assertEquals(css([1, 20, 255]), "rgb(1,20,255)");
});

Deno.test("loadPalette() refuses a name it does not know", async () => {
  await assertRejects(
    () => loadPalette("rainbow" as PaletteName),
    RangeError,
    "current value is rainbow",
  );
});
