/** How a share of shade looks: a colour behind the token, an underline below it, a text that can be read on both. */
import { css, type Palette, textOn, VERMILION } from "../draw/palette.ts";

/** A look. */
export interface Shade {
  /** Colour behind the token; `undefined` where there is none. */
  readonly background: string | undefined;
  /** How much of it covers the page. */
  readonly opacity: number;
  /** Colour of the text; `undefined` for that of the page. */
  readonly text: "#000" | "#fff" | undefined;
  /** Thickness of the underline in pixels. */
  readonly underline: number;
}

/** Looks, from none to all of the shade. */
export const SHADES = 24;

/** Above this opacity the text of a dark page would be read badly. */
const OPAQUE = 0.88;
const THICKEST = 3;

/** Look of a share of shade `0 .. 1`, as one of {@link SHADES}. */
export function shadeLevel(ink: number): number {
  return Number.isNaN(ink) ? 0 : Math.round(ink * (SHADES - 1));
}

/** All looks. Without a palette the page shines through. */
export function shades(palette?: Palette): Shade[] {
  return Array.from({ length: SHADES }, (_, level) => shadeOf(level / (SHADES - 1), palette));
}

function shadeOf(ink: number, palette: Palette | undefined): Shade {
  if (ink === 0) return { background: undefined, opacity: 0, text: undefined, underline: 0 };
  const underline = Math.round(10 * THICKEST * ink) / 10;
  if (palette) {
    const colour = palette.colour(ink);
    return { background: css(colour), opacity: 1, text: textOn(colour), underline };
  }
  const text = ink > OPAQUE ? textOn(VERMILION) : undefined;
  return { background: css(VERMILION), opacity: ink, text, underline };
}
