/** The table below the planes: what each index reaches, and what it costs. */
import { chart, type Plot } from "../draw/chart.ts";
import { clipColumns } from "../draw/columns.ts";
import { bytesText, keptText, msText, percentText } from "../draw/number_text.ts";
import { planeOf } from "../draw/plane.ts";
import { rowSymbols, type SeriesLook } from "../draw/series.ts";
import { label } from "../draw/svg.ts";
import type { ChosenPoint } from "./index_points.ts";

/** A line of the table: how its series looks, and the point that is told. */
export interface TableLine extends SeriesLook {
  /** The point. */
  readonly chosen: ChosenPoint;
}

/** A column of texts. */
interface Column {
  readonly name: string;
  /** Where its texts start or end. */
  readonly x: number;
  readonly anchor: "start" | "end";
  readonly text: (chosen: ChosenPoint) => string;
}

/** Width of the table. */
export const TABLE_WIDTH = 640;
const LINE = 18;
const MARGIN = { top: 18, right: 0, bottom: 4, left: 0 };
const SYMBOL = 14;
/** Narrow characters of a name and of a parameter. */
const MOST = { name: 15, parameter: 15 };
const COLUMNS: readonly Column[] = [
  {
    name: "index",
    x: 26,
    anchor: "start",
    text: ({ point }) => clipColumns(point.name, MOST.name),
  },
  {
    name: "parameter",
    x: 126,
    anchor: "start",
    text: ({ point, isEnough }) =>
      `${clipColumns(point.parameter, MOST.parameter)}${isEnough ? "" : " *"}`,
  },
  {
    name: "recall (least)",
    x: 326,
    anchor: "end",
    text: ({ point }) => `${keptText(point.recall)} (${keptText(point.leastRecall)})`,
  },
  { name: "mass", x: 382, anchor: "end", text: ({ point }) => keptText(point.mass) },
  { name: "scanned", x: 440, anchor: "end", text: ({ point }) => percentText(point.scannedShare) },
  { name: "search", x: 504, anchor: "end", text: ({ point }) => known(point.searchMs, msText) },
  { name: "build", x: 572, anchor: "end", text: ({ point }) => known(point.buildMs, msText) },
  { name: "size", x: 636, anchor: "end", text: ({ point }) => known(point.bytes, bytesText) },
];

/** Draws the table. */
export function indexTable(lines: readonly TableLine[]): Promise<string> {
  const rows = lines.map((line, row) => ({ ...line, row }));
  const head = COLUMNS.map(({ name, x, anchor }) =>
    label(name, { x, y: 12, "text-anchor": anchor, opacity: 0.75 })
  );
  return chart((plot) => ({
    ...planeOf(TABLE_WIDTH, MARGIN.top + LINE * rows.length + MARGIN.bottom, MARGIN),
    x: { domain: [0, TABLE_WIDTH], axis: null },
    y: { type: "band", domain: [...rows.keys()], padding: 0, axis: null },
    marks: [
      rowSymbols(plot, rows, SYMBOL),
      ...COLUMNS.map((column) => columnTexts(plot, rows, column)),
    ],
  }), (svg) => svg.insertAdjacentHTML("beforeend", head.join("")));
}

function columnTexts(plot: Plot, rows: readonly TableLine[], { x, anchor, text }: Column) {
  return plot.text(rows, {
    x: () => x,
    y: "row",
    text: ({ chosen }: TableLine) => text(chosen),
    textAnchor: anchor,
  });
}

/** An amount above 0; "-" for none and for what is not known. */
function known(value: number, text: (value: number) => string): string {
  return value > 0 ? text(value) : "-";
}
