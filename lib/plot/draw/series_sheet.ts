/** A plane of points with the legend of its series below, on a sheet. */
import { placed, sizeOf } from "./nest.ts";
import { type LegendLine, seriesLegend } from "./series.ts";
import { sheet } from "./sheet.ts";
import { svgDocument } from "./svg.ts";

/** What stands on the sheet. */
export interface SeriesSheet {
  /** Line above. */
  readonly title: string;
  /** The plane, an SVG text. */
  readonly plane: string;
  /** What is said of each series. */
  readonly legend: readonly LegendLine[];
  /** What is said below. */
  readonly facts: readonly string[];
  /** Width in pixels. */
  readonly width: number;
}

/** The sheet as SVG text. */
export async function seriesSheet(parts: SeriesSheet): Promise<string> {
  const { title, plane, legend, facts, width } = parts;
  const below = await seriesLegend(legend, width);
  const [top, bottom] = [plane, below].map((part) => sizeOf(part).height) as [number, number];
  const size = { width, height: top + bottom, about: "" };
  const body = svgDocument(size, placed(plane, 0, 0), placed(below, 0, top));
  return await sheet({ title, body, facts, width });
}
