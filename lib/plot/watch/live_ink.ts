/** How a live view shows amounts of attention: as a text that is shaded without a palette. */
import { type Shade, shadeLevel, shades } from "../heat/heat_shade.ts";
import type { LivePanel } from "./live_panel.ts";
import { makeScale, type Scale } from "../draw/scale.ts";

/** All looks of a token. Underlines are whole pixels: hairlines below many faint tokens would be noise. */
export const LOOKS: readonly Shade[] = shades().map((shade) => ({
  ...shade,
  underline: Math.round(shade.underline),
}));

/** Scale of a panel's attention. */
export function panelScale({ most }: LivePanel): Scale {
  return inkScale(most);
}

/** Scale from nothing to the largest attention. */
export function inkScale(most: number): Scale {
  return makeScale("sqrt", [], [0, most || 1]);
}

/** Level of a token with so much attention among {@link LOOKS}. */
export function levelOf(attention: number, scale: Scale): number {
  return shadeLevel(scale.ink(attention));
}
