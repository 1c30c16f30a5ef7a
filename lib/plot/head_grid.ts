import { Figure, inkOf, type Redraw } from "./figure.ts";
import { type HeadCells, headCells, type HeadMatrix, type HeadValue } from "./heads/head_values.ts";
import { drawHeads, type HeadDrawing, isOnePicture } from "./heads/head_picture.ts";
import { shortNumber } from "./draw/number_text.ts";
import type { InkOptions } from "./options.ts";
import { makeScale, rangeOf, type ScaleName } from "./draw/scale.ts";
import { textMap } from "./draw/text_map.ts";

export type { HeadMatrix, HeadValue } from "./heads/head_values.ts";

/** Options of {@link headGrid}. */
export interface HeadGridOptions extends InkOptions {
  /**
   * How values are spread over the palette.
   * @default "linear"
   */
  readonly scale?: ScaleName;
  /**
   * What the values are.
   * @default "value"
   */
  readonly label?: string;
  /**
   * What the second values, shown by size, are.
   * @default "size"
   */
  readonly sizeLabel?: string;
}

/**
 * Any number of every head: layers from top to bottom, heads from left to right. Values are printed where the cells
 * are large enough; missing ones are hatched; the pointer tells the rest. A second number can be shown by the size of
 * a circle, a category by a short text.
 *
 * @throws {TypeError} when values do not fill the shape
 * @throws {RangeError} when there are none, a head occurs twice, or a number is infinite
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const values = Float32Array.of(0.1, 0.9, 0.4, NaN);
 * const figure = plot.headGrid({ layers: 2, heads: 2, values }, { label: "retrieval score" });
 * await figure.svg();
 * ```
 */
export function headGrid(
  data: HeadMatrix | readonly HeadValue[],
  options: HeadGridOptions = {},
): Figure {
  const cells = headCells(data);
  const { label = "value", sizeLabel = "size", palette = "viridis", width = 640 } = options;
  const scaleOf = (range = options.range) =>
    makeScale(options.scale ?? "linear", cells.values, range);
  const scale = scaleOf();
  const facts = factsOf(cells, label, sizeLabel);
  const title = options.title ?? `${upperFirst(label)} of ${cells.layers} x ${cells.heads} heads`;
  const drawing: HeadDrawing = { cells, scale, label, sizeLabel, title, facts, palette, width };
  const shape = { rows: cells.layers, columns: cells.heads };
  return new Figure({
    text: `${title}: ${facts.join("; ")}\n${textMap(cells.values, shape, scale)}`,
    ...inkOf(label, scale),
    draw: (how: Redraw) =>
      drawHeads({ ...drawing, scale: scaleOf(how.range), width: how.width ?? width }),
  });
}

function factsOf(cells: HeadCells, label: string, sizeLabel: string): string[] {
  const { layers, heads, values, sizes, glyphs } = cells;
  const missing = values.reduce((count, value) => count + Number(Number.isNaN(value)), 0);
  const facts = missing === values.length ? [] : extremes(values, heads, label);
  if (missing > 0) facts.push(`hatched: ${missing} of ${layers * heads} without a value`);
  if (sizes && (glyphs || isOnePicture(cells))) facts.push(`${sizeLabel} ${rangeText(sizes)}`);
  else if (sizes) facts.push(`circle area: ${sizeLabel}, ${rangeText(sizes)}`);
  return facts;
}

function extremes(values: Float64Array, heads: number, label: string): string[] {
  const [, high] = rangeOf(values);
  const at = values.indexOf(high);
  const place = `layer ${Math.floor(at / heads)}, head ${at % heads}`;
  return [`${label} ${rangeText(values)}`, `highest at ${place}`];
}

function rangeText(values: Float64Array): string {
  return rangeOf(values).map(shortNumber).join(" .. ");
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
