/** Traces of retrieval as SVG and HTML. */
import { beside } from "../draw/arrange.ts";
import { chart, type ChartOptions, type Plot } from "../draw/chart.ts";
import { grouped, percentText } from "../draw/number_text.ts";
import { loadPalette, type PaletteName, textOn } from "../draw/palette.ts";
import { rasterUri } from "../draw/raster.ts";
import { rangeOf, type Scale } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";
import type { Picture } from "../figure.ts";
import { contextList } from "./retrieval_context.ts";
import type { DrawnRow, GatheredTrace } from "./retrieval_rows.ts";
import { rowHeight, rowScale, TOLD_HEIGHT } from "./step_axes.ts";
import {
  drawStepMap,
  MAP_MARGIN,
  mapHover,
  mapWidth,
  retrievedValues,
  stepsText,
} from "./step_map.ts";

/** A trace and how it is to be drawn. */
export interface TraceDrawing {
  /** What was gathered. */
  readonly trace: GatheredTrace;
  /** Line above. */
  readonly title: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** What the colours stand for. */
  readonly measure: string;
  /** From values to ink. */
  readonly scaleOf: (values: ArrayLike<number>) => Scale;
  /** Colours. */
  readonly palette: PaletteName;
  /** Width in pixels. */
  readonly width: number;
  /** Text of every token. */
  readonly tokens: readonly string[] | undefined;
}

/** Room to the right of the map. */
const RIGHT = 6;
/** Width of a column beside the map. */
const COLUMN = 62;
const COLUMNS_WIDTH = 3 * COLUMN;
const COLOURS = { scanned: "#0072b2", attended: "#e69f00", recall: "#009e73", missed: "#d55e00" };

/** Draws the trace. */
export async function drawTrace(drawing: TraceDrawing): Promise<Picture> {
  const { trace, title, facts, measure, tokens, width } = drawing;
  const { axis, rows } = trace;
  const palette = await loadPalette(drawing.palette);
  const values = retrievedValues(axis, rows);
  const scale = drawing.scaleOf(values);
  const uri = await rasterUri(values, { rows: rows.length, columns: axis.bins }, scale, palette);
  const wide = mapWidth(width, RIGHT + COLUMNS_WIDTH);
  const line = textOn(palette.colour(0));
  const marks = (plot: Plot) => mapMarks(plot, trace, line);
  const map = await drawStepMap({ axis, rows, uri, wide, right: RIGHT, marks });
  const body = beside([map, await drawShares(trace)]);
  const ink = { palette, scale, title: measure };
  const svg = await sheet({ title, body, facts, width, ink });
  return {
    svg,
    html: svg + (tokens ? contextList(trace.data, tokens) : ""),
    script: mapHover(axis, rows.map((row) => rowTitle(row, trace)), values),
  };
}

/** Lines, of a colour that is seen where nothing was retrieved, for other attended keys, crosses for missed ones. */
function mapMarks(
  plot: Plot,
  trace: GatheredTrace,
  stroke: string,
): NonNullable<ChartOptions["marks"]> {
  const { axis, rows } = trace;
  const ranges = rows.flatMap(({ ranges }, row) =>
    ranges.map(([start, end]) => ({ row, start, end }))
  );
  const missed = rows.flatMap(({ missed }, row) =>
    [...missed.keys()].filter((bin) => missed[bin]! > 0)
      .map((bin) => ({ row, position: (axis.firstOf(bin) + axis.firstOf(bin + 1)) / 2 }))
  );
  const line = { x1: "start", x2: "end", y1: "row", y2: "row", stroke, strokeOpacity: 0.8 };
  const strokeWidth = Math.min(2, rowHeight(trace.rows) / 3);
  const cross = {
    x: "position",
    y: "row",
    symbol: "times",
    r: 2.6,
    pointerEvents: "none",
  } as const;
  return [
    plot.link(ranges, { ...line, strokeWidth, pointerEvents: "none" }),
    plot.dot(missed, { ...cross, stroke: "#fff", strokeWidth: 3 }),
    plot.dot(missed, { ...cross, stroke: COLOURS.missed, strokeWidth: 1.4 }),
  ];
}

/** A share of a row. */
interface Bar {
  readonly row: number;
  readonly name: string;
  readonly share: number;
  readonly colour: string;
  readonly title: string;
}

/** The shares of each row, as bars. */
function drawShares(trace: GatheredTrace): Promise<string> {
  const high = rowHeight(trace.rows);
  const bars = trace.rows.flatMap((row, place) => barsOf(row, place, trace));
  const most = Math.max(1, rangeOf(bars.map(({ share }) => share))[1]);
  const place = { fx: "name", y: "row" };
  const ends = { fontSize: 9, dy: 13, fillOpacity: 0.75 };
  return chart((plot) => ({
    width: COLUMNS_WIDTH,
    height: MAP_MARGIN.top + trace.rows.length * high + MAP_MARGIN.bottom,
    marginLeft: 16,
    marginRight: 4,
    marginTop: MAP_MARGIN.top,
    marginBottom: MAP_MARGIN.bottom,
    color: { type: "identity" },
    fx: {
      domain: [...new Set(bars.map(({ name }) => name))],
      label: null,
      axis: "top",
      padding: 0.14,
    },
    x: { domain: [0, most], axis: null },
    y: { ...rowScale(trace.rows), axis: null },
    marks: [
      plot.barX(bars, {
        ...place,
        x: "share",
        fill: "colour",
        fillOpacity: 0.6,
        insetTop: 0.5,
        insetBottom: 0.5,
      }),
      plot.frame({ strokeOpacity: 0.25 }),
      plot.text(high < TOLD_HEIGHT ? [] : bars, {
        ...place,
        text: ({ share }: Bar) => percentText(share),
        frameAnchor: "right",
        dx: -3,
        fontSize: 9,
      }),
      plot.text(["0"], { ...ends, frameAnchor: "bottom-left" }),
      plot.text([percentText(most)], { ...ends, frameAnchor: "bottom-right" }),
      plot.barX(bars, { ...place, x: most, fill: "none", pointerEvents: "all", title: "title" }),
    ],
  }));
}

function barsOf(row: DrawnRow, place: number, trace: GatheredTrace): Bar[] {
  const { scanned, attended, recall } = row;
  const shared = { row: place, title: rowTitle(row, trace) };
  const bars = [
    { ...shared, name: "scanned", share: scanned, colour: COLOURS.scanned },
    { ...shared, name: "attended", share: attended, colour: COLOURS.attended },
  ];
  if (recall === null) return bars;
  return [...bars, { ...shared, name: recallName(trace), share: recall, colour: COLOURS.recall }];
}

function recallName({ k }: GatheredTrace): string {
  return k === null ? "recall" : `recall@${k}`;
}

function rowTitle(row: DrawnRow, trace: GatheredTrace): string {
  return [
    stepsText(row),
    `scanned ${percentText(row.scanned)}, attended ${percentText(row.attended)} of ${
      grouped(row.keys)
    } keys`,
    ...(row.recall === null ? [] : [`${recallName(trace)} ${percentText(row.recall)}`]),
  ].join("\n");
}
