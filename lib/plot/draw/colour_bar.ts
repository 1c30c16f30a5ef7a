/** The legend of a palette: its colours with numbers below. */
import { LEVELS, type Palette } from "./palette.ts";
import { pngUri } from "./png.ts";
import { shortNumber } from "./number_text.ts";
import type { Scale } from "./scale.ts";
import { element, label } from "./svg.ts";

/** Where a colour bar is and what it says. */
export interface ColourBar {
  /** Left end. */
  readonly x: number;
  /** Top. */
  readonly y: number;
  /** Width of the colours. */
  readonly width: number;
  /** What the colours stand for; the scale's name is added. */
  readonly title: string;
}

/** Height of a colour bar with its numbers and its title. */
export const COLOUR_BAR_HEIGHT = 40;

const RAMP_HEIGHT = 8;

/** A ramp from the smallest to the largest value, with the values at its quarters. */
export async function colourBar(
  palette: Palette,
  scale: Scale,
  { x, y, width, title }: ColourBar,
): Promise<string> {
  const steps = width < 240 ? 2 : 4;
  const numbers = Array.from({ length: steps + 1 }, (_, i) => i / steps).map((ink) =>
    label(shortNumber(scale.value(ink)), {
      x: x + ink * width,
      y: y + 15 + RAMP_HEIGHT + 11,
      "text-anchor": anchorAt(ink),
    })
  );
  const ramp = element("image", {
    class: "ll-ramp",
    x,
    y: y + 15,
    width,
    height: RAMP_HEIGHT,
    preserveAspectRatio: "none",
    href: await rampUri(palette),
  });
  return label(`${title} (${scale.name} scale)`, { x, y: y + 10 }) + ramp + numbers.join("");
}

function anchorAt(ink: number): "start" | "middle" | "end" {
  if (ink === 0) return "start";
  return ink === 1 ? "end" : "middle";
}

function rampUri(palette: Palette): Promise<string> {
  const pixels = Uint8Array.from({ length: LEVELS }, (_, level) => level);
  return pngUri({ width: LEVELS, height: 1, pixels, palette: palette.bytes });
}
