/** Traces of retrieval as SVG and HTML. */
import { chart, type ChartOptions, type Plot } from "../draw/chart.ts";
import type { Picture } from "../figure.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { placed, sizeOf } from "../draw/nest.ts";
import { grouped, percentText } from "../draw/number_text.ts";
import { loadPalette, type PaletteName, textOn } from "../draw/palette.ts";
import { rasterUri } from "../draw/raster.ts";
import { contextList } from "./retrieval_context.ts";
import type { DrawnRow, GatheredTrace } from "./retrieval_rows.ts";
import { rangeOf, type Scale } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";
import { element, svgDocument } from "../draw/svg.ts";
import { rangeText } from "../draw/token_axis.ts";
import { visibleToken } from "../draw/token_text.ts";
import { positionScale, rowHeight, rowScale, tokenScale, TOLD_HEIGHT } from "./step_axes.ts";

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

const MARGIN = { left: 84, right: 6, top: 18, bottom: 34 };
/** Width of a column beside the map. */
const COLUMN = 62;
const COLUMNS_WIDTH = 3 * COLUMN;
/** A narrower map would show nothing. */
const LEAST_MAP = 120;
const COLOURS = { scanned: "#0072b2", attended: "#e69f00", recall: "#009e73", missed: "#d55e00" };

function mapWidth(width: number): number {
  return Math.max(LEAST_MAP, width - MARGIN.left - MARGIN.right - COLUMNS_WIDTH);
}

/** Draws the trace. */
export async function drawTrace(drawing: TraceDrawing): Promise<Picture> {
  const { trace, title, facts, measure, tokens } = drawing;
  const palette = await loadPalette(drawing.palette);
  const values = Float64Array.from(
    trace.rows.flatMap(({ retrieved, keys }) =>
      Array.from(retrieved, (count, bin) => trace.axis.firstOf(bin) < keys ? count : NaN)
    ),
  );
  const scale = drawing.scaleOf(values);
  const shape = { rows: trace.rows.length, columns: trace.axis.bins };
  const line = textOn(palette.colour(0));
  const map = await drawMap(drawing, await rasterUri(values, shape, scale, palette), line);
  const side = await drawShares(trace);
  const { width, height } = sizeOf(map);
  const size = { width: width + sizeOf(side).width, height, about: "" };
  const body = svgDocument(size, placed(map, 0, 0), placed(side, width, 0));
  const ink = { palette, scale, title: measure };
  const svg = await sheet({ title, body, facts, width: drawing.width, ink });
  return {
    svg,
    html: svg + (tokens ? contextList(trace.data, tokens) : ""),
    script: hoverOf(trace, values),
  };
}

/** Steps by positions. */
function drawMap({ trace, width }: TraceDrawing, uri: string, line: string): Promise<string> {
  const wide = mapWidth(width);
  const high = trace.rows.length * rowHeight(trace.rows);
  const image = element("image", {
    class: "ll-grid",
    x: MARGIN.left,
    y: MARGIN.top,
    width: wide,
    height: high,
    preserveAspectRatio: "none",
    // Where bins are narrower than a pixel, "pixelated" would leave some out.
    "image-rendering": wide >= trace.axis.bins ? "pixelated" : undefined,
    href: uri,
  });
  return chart(
    (plot) => ({
      width: MARGIN.left + wide + MARGIN.right,
      height: MARGIN.top + high + MARGIN.bottom,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      x: positionScale(trace.axis, wide),
      y: tokenScale(trace.rows),
      marks: mapMarks(plot, trace, line),
    }),
    (svg) => svg.insertAdjacentHTML("afterbegin", image),
  );
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
    plot.text(["token"], { frameAnchor: "top-left", textAnchor: "end", dx: -7, dy: -14 }),
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
    height: MARGIN.top + trace.rows.length * high + MARGIN.bottom,
    marginLeft: 16,
    marginRight: 4,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
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
  const [first, last] = row.steps;
  return [
    `${first === last ? `step ${first}` : `steps ${first} .. ${last}`} ${
      row.tokens.map(visibleToken).join("")
    }`,
    `scanned ${percentText(row.scanned)}, attended ${percentText(row.attended)} of ${
      grouped(row.keys)
    } keys`,
    ...(row.recall === null ? [] : [`${recallName(trace)} ${percentText(row.recall)}`]),
  ].join("\n");
}

function hoverOf(trace: GatheredTrace, values: Float64Array): string {
  const { axis, rows } = trace;
  return gridHover({
    rows: rows.map((row) => rowTitle(row, trace)),
    columns: Array.from(
      { length: axis.bins },
      (_, bin) => `position ${rangeText(axis.firstOf(bin), axis.firstOf(bin + 1) - 1)}`,
    ),
    values,
    measure: "keys retrieved:",
  });
}
