import type { PaletteName } from "./draw/palette.ts";
import type { ScaleName } from "./draw/scale.ts";

/** Options that all figures share. */
export interface FigureOptions {
  /**
   * Line above the figure.
   * @default what the figure shows
   */
  readonly title?: string;
  /**
   * Width in CSS pixels.
   * @default 640
   */
  readonly width?: number;
}

/** Options of figures whose colour is an amount. */
export interface InkOptions extends FigureOptions {
  /**
   * How values are spread over the palette.
   * @default "sqrt"
   */
  readonly scale?: ScaleName;
  /**
   * Values at the palette's ends; what lies beyond gets the end's colour.
   * @default those of the data
   */
  readonly range?: readonly [number, number];
  /**
   * Colours.
   * @default "viridis"
   */
  readonly palette?: PaletteName;
}

/**
 * Checks that there is a text for each of `count` keys, where there are texts.
 *
 * @throws {TypeError} when there are fewer
 */
export function checkTokens(
  what: string,
  tokens: readonly string[] | undefined,
  count: number,
): void {
  if (tokens === undefined || tokens.length >= count) return;
  throw new TypeError(
    `Cannot draw ${what} as tokens must hold ${count} texts: current value is ${tokens.length}`,
  );
}
