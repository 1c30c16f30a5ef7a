/** Series of points: their looks and the legend that names them. */
import { chart, type Plot } from "./chart.ts";
import { clipColumns, textColumns } from "./columns.ts";
import { CATEGORIES } from "./palette.ts";

/** Symbols of series, a second cue beside their colours. */
const SYMBOLS = ["circle", "square", "triangle", "diamond", "cross", "star", "wye"] as const;

/** How the points of a series look. */
export interface SeriesLook {
  /** Colour. */
  readonly colour: string;
  /** Symbol. */
  readonly symbol: typeof SYMBOLS[number];
}

/** A line of a legend. */
export interface LegendLine extends SeriesLook {
  /** Name of the series, which is cut where it is long. */
  readonly name: string;
  /** What is said of it, beginning with the mark after its name. */
  readonly facts: string;
}

/** A thin line around symbols, for bright colours on bright pages. */
export const OUTLINE = { stroke: "currentColor", strokeOpacity: 0.5, strokeWidth: 0.7 } as const;

const LEGEND = { line: 18, left: 14 };
const CHARACTER = 6.4;
/** Columns that a name keeps, whatever is said of its series. */
const LEAST_NAME = 12;

/** The look of the series with a number; 56 differ. */
export function seriesLook(i: number): SeriesLook {
  return {
    colour: CATEGORIES[i % CATEGORIES.length]!,
    symbol: SYMBOLS[i % SYMBOLS.length]!,
  };
}

/** Where the symbols of points are, and what they say. */
export interface SymbolChannels<Point> {
  /** Field with the number along x, or the number. */
  readonly x: string | ((point: Point) => number);
  /** Likewise along y. */
  readonly y: string | ((point: Point) => number);
  /** What a point says under the pointer. */
  readonly title: (point: Point) => string;
  /**
   * Radius.
   * @default 4
   */
  readonly r?: number;
}

/** The symbols of a series. */
export function symbolDots<Point>(
  plot: Plot,
  { colour, symbol }: SeriesLook,
  points: readonly Point[],
  channels: SymbolChannels<Point>,
) {
  return plot.dot(points, {
    r: 4,
    ...channels,
    symbol,
    fill: colour,
    fillOpacity: 0.9,
    ...OUTLINE,
  });
}

/** Symbol, name and facts of each series, below each other. */
export function seriesLegend(lines: readonly LegendLine[], width: number): Promise<string> {
  const rows = lines.map((line, row) => ({ ...line, row, text: legendText(line, width) }));
  return chart((plot) => ({
    width,
    height: 6 + rows.length * LEGEND.line,
    marginTop: 2,
    marginBottom: 4,
    marginLeft: LEGEND.left,
    marginRight: 0,
    color: { type: "identity" },
    symbol: { type: "identity" },
    x: { domain: [0, 1], axis: null },
    y: { type: "band", domain: rows.map(({ row }) => row), axis: null },
    marks: [
      rowSymbols(plot, rows, 0),
      plot.text(rows, { x: () => 0, y: "row", text: "text", textAnchor: "start", dx: 12 }),
    ],
  }));
}

/** The symbols of series, each in its row, at a place along x. */
export function rowSymbols(
  plot: Plot,
  rows: readonly (SeriesLook & { readonly row: number })[],
  x: number,
) {
  const looks = { symbol: "symbol", r: 4, fill: "colour", ...OUTLINE } as const;
  return plot.dot(rows, { x: () => x, y: "row", ...looks });
}

function legendText({ name, facts }: LegendLine, width: number): string {
  const most = Math.floor((width - 30) / CHARACTER);
  const room = Math.max(LEAST_NAME, most - textColumns(facts));
  return clipColumns(clipColumns(name, room) + facts, most);
}
