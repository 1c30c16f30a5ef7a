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
