/** Colours: sequential maps for amounts, the Okabe-Ito eight for categories. */

/** Sequential palettes, all readable by colour-blind people. */
export type PaletteName = "viridis" | "cividis" | "magma" | "greys";

/** Entries of a sequential palette; one more is left for "no value". */
export const LEVELS = 255;
/** Palette entry of cells without a value: transparent. */
export const NO_VALUE = 255;

/** Okabe and Ito's colours, the darkest last. */
export const CATEGORIES: readonly string[] = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#f0e442",
  "#000000",
];

/** Red, green, blue. */
export type Colour = readonly [number, number, number];

/** Okabe and Ito's vermilion: attention, where the page shines through. */
export const VERMILION: Colour = [213, 94, 0];
/** Okabe and Ito's blue: what is no attention. */
export const BLUE: Colour = [0, 114, 178];

/** A sequential palette that was loaded. */
export interface Palette {
  /** Its name. */
  readonly name: PaletteName;
  /** Colour of a share of ink, `0 .. 1`. */
  colour(ink: number): Colour;
  /** {@link LEVELS} colours and a transparent one, red, green, blue, alpha, `[256, 4]`. */
  readonly bytes: Uint8Array;
}

/** Loads a palette. "greys" is white where there is nothing, and the others are dark there. */
export async function loadPalette(name: PaletteName): Promise<Palette> {
  const chromatic = await import("d3-scale-chromatic");
  const interpolate = {
    viridis: chromatic.interpolateViridis,
    cividis: chromatic.interpolateCividis,
    magma: chromatic.interpolateMagma,
    greys: chromatic.interpolateGreys,
  }[name];
  if (!interpolate) {
    throw new RangeError(
      `Cannot load a palette as it must be viridis, cividis, magma or greys: current value is ${name}`,
    );
  }
  const colour = (ink: number) => parseColour(interpolate(ink));
  const bytes = new Uint8Array(4 * (LEVELS + 1));
  for (let level = 0; level < LEVELS; level++) {
    bytes.set([...colour(level / (LEVELS - 1)), 255], 4 * level);
  }
  return { name, colour, bytes };
}

/** Entries, as those of a palette, that fade from nothing to a colour. */
export function fadingBytes(colour: Colour): Uint8Array {
  const bytes = new Uint8Array(4 * (LEVELS + 1));
  for (let level = 0; level < LEVELS; level++) {
    bytes.set([...colour, Math.round(255 * level / (LEVELS - 1))], 4 * level);
  }
  return bytes;
}

/** Palette entry of a share of ink; {@link NO_VALUE} for `NaN`. */
export function levelOf(ink: number): number {
  return Number.isNaN(ink) ? NO_VALUE : Math.round(ink * (LEVELS - 1));
}

/** A colour as CSS. */
export function css([red, green, blue]: Colour): string {
  return `rgb(${red},${green},${blue})`;
}

/** Black or white: what is read better on a colour (WCAG 2 contrast). */
export function textOn(colour: Colour): "#000" | "#fff" {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  return luminance > 0.179 ? "#000" : "#fff";
}

/** A colour of CSS, written as `#rrggbb` or `rgb(r, g, b)`. */
export function parseColour(text: string): Colour {
  const parts = text.startsWith("#")
    ? [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16))
    : text.match(/\d+/g)!.map(Number);
  return [parts[0]!, parts[1]!, parts[2]!];
}
