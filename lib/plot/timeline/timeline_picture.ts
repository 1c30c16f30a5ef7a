/** Keys over steps as SVG. */
import { stacked } from "../draw/arrange.ts";
import { grouped } from "../draw/number_text.ts";
import { BLUE, type Colour, css, VERMILION } from "../draw/palette.ts";
import { pngUri } from "../draw/png.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, svgDocument } from "../draw/svg.ts";
import { rangeText } from "../draw/token_axis.ts";
import type { Picture } from "../figure.ts";
import { rowHeight } from "../retrieval/step_axes.ts";
import {
  drawStepMap,
  MAP_MARGIN,
  mapHover,
  mapWidth,
  retrievedValues,
  stepsText,
} from "../retrieval/step_map.ts";
import type { KeyRange } from "../retrieval/step_rows.ts";
import type { Timeline, TimelineRow } from "./timeline_rows.ts";

/** A timeline and how it is to be drawn. */
export interface TimelineDrawing {
  /** What was gathered. */
  readonly timeline: Timeline;
  /** What is said of static, retrieved and appended keys. */
  readonly legend: Readonly<Record<KeyKind, string>>;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

/** What may become of a key. */
export type KeyKind = "static" | "retrieved" | "appended";

/** Room to the right of the map. */
const RIGHT = 12;
/** Those of Okabe and Ito; the last is their green. */
const COLOURS: Readonly<Record<KeyKind, Colour>> = {
  static: BLUE,
  retrieved: VERMILION,
  appended: [0, 158, 115],
};
/** Opacity of a key that was retrieved alone in its bin, and of keys that were not touched. */
const OPACITY = { least: 0.4, idle: 0.09 };
/** Palette entries: nothing, a key, and from there on levels of retrieved keys, up to the most in a bin. */
const ENTRIES = { none: 0, idle: 1, retrieved: 2 };
const LEVELS = 16;
/** Least width of what was appended. */
const LEAST_BOX = 4;
const LEGEND = { line: 18, mark: 22, character: 6.2, gap: 20 };

/** Draws steps by positions: lines for static keys, ticks for retrieved and boxes for appended ones. */
export async function drawTimeline(drawing: TimelineDrawing): Promise<Picture> {
  const { timeline, legend, facts, title, width } = drawing;
  const { axis, rows } = timeline;
  const wide = mapWidth(width, RIGHT);
  const [uri, markup] = [await retrievedUri(timeline), rangeMarks(timeline, wide)];
  const map = await drawStepMap({ axis, rows, uri, wide, right: RIGHT, markup });
  const body = stacked([map, legendRows(legend, width)]);
  const hover = mapHover(axis, rows.map(rowTitle), retrievedValues(axis, rows));
  return { svg: await sheet({ title, body, facts, width }), script: hover };
}

/** Keys there were, and the retrieved ones among them, a pixel a bin. */
function retrievedUri({ axis, rows }: Timeline): Promise<string> {
  const most = Math.max(1, ...rows.map(({ retrieved }) => Math.max(...retrieved)));
  const pixels = Uint8Array.from(
    rows.flatMap(({ retrieved, keys }) =>
      Array.from(retrieved, (count, bin) => {
        if (count > 0) return ENTRIES.retrieved + Math.round(shareOf(count, most) * (LEVELS - 1));
        return axis.firstOf(bin) < keys ? ENTRIES.idle : ENTRIES.none;
      })
    ),
  );
  return pngUri({ width: axis.bins, height: rows.length, pixels, palette: paletteOf() });
}

/** 0 for a single key, 1 for the most. */
function shareOf(count: number, most: number): number {
  return most > 1 ? Math.sqrt((count - 1) / (most - 1)) : 1;
}

function paletteOf(): Uint8Array {
  const levels = Array.from({ length: LEVELS }, (_, level) => {
    const opacity = OPACITY.least + (1 - OPACITY.least) * level / (LEVELS - 1);
    return [...COLOURS.retrieved, Math.round(255 * opacity)];
  });
  const idle = [128, 128, 128, Math.round(255 * OPACITY.idle)];
  return Uint8Array.from([[0, 0, 0, 0], idle, ...levels].flat());
}

/** Lines of static keys and boxes of appended ones; the pointer passes through them. */
function rangeMarks({ axis, rows }: Timeline, wide: number): string {
  const high = rowHeight(rows);
  const scale = wide / axis.tokens;
  const lines = rows.flatMap(({ ranges }, row) => {
    const y = MAP_MARGIN.top + (row + 0.5) * high;
    return ranges.map(([start, end]) =>
      `M${round(MAP_MARGIN.left + start * scale)},${y}H${round(MAP_MARGIN.left + end * scale)}`
    );
  });
  const boxes = rows.flatMap(({ appended }, row) =>
    appended.map((range) => boxPath(range, MAP_MARGIN.top + row * high, high, scale))
  );
  return linePath(lines, Math.max(1.5, high / 5)) + boxesPath(boxes);
}

function linePath(lines: readonly string[], width: number): string {
  return element("path", {
    class: "ll-static",
    d: lines.join(""),
    stroke: css(COLOURS.static),
    "stroke-width": width,
    "pointer-events": "none",
  });
}

function boxesPath(boxes: readonly string[]): string {
  return element("path", {
    class: "ll-appended",
    d: boxes.join(""),
    fill: "none",
    stroke: css(COLOURS.appended),
    "stroke-width": 1.4,
    "pointer-events": "none",
  });
}

/** A box that ends where the range ends: what is appended has just left the window, which begins there. */
function boxPath([start, end]: KeyRange, top: number, high: number, scale: number): string {
  const right = MAP_MARGIN.left + end * scale;
  const width = Math.max(LEAST_BOX, (end - start) * scale);
  return `M${round(right - width)},${top + 0.7}h${round(width)}v${round(high - 1.4)}h${
    round(-width)
  }z`;
}

function round(value: number): number {
  return Math.round(100 * value) / 100;
}

/** What lines, ticks and boxes are, on as many lines as it takes. */
function legendRows(legend: TimelineDrawing["legend"], width: number): string {
  const items = Object.entries(legend) as [KeyKind, string][];
  let [x, y] = [0, 0];
  const parts = items.map(([kind, text]) => {
    const wide = LEGEND.mark + text.length * LEGEND.character;
    if (x > 0 && x + wide > width) [x, y] = [0, y + LEGEND.line];
    const markup = legendMark(kind, x + 2, y + 3) +
      label(text, { x: x + LEGEND.mark, y: y + 12 });
    x += wide + LEGEND.gap;
    return markup;
  });
  return svgDocument({ width, height: y + LEGEND.line + 4, about: "" }, ...parts);
}

/** A small line, tick or box. */
function legendMark(kind: KeyKind, x: number, y: number): string {
  if (kind === "static") return linePath([`M${x},${y + 6}h14`], 2.4);
  if (kind === "appended") return boxesPath([`M${x + 4},${y + 0.7}h6v10.6h-6z`]);
  const fill = css(COLOURS.retrieved);
  return element("rect", { x: x + 5, y, width: 4, height: 12, fill });
}

/** What is known of a row: its steps, and which keys were static and appended. */
function rowTitle(row: TimelineRow): string {
  const { keys, ranges, appended } = row;
  return [
    `${stepsText(row)}, ${grouped(keys)} keys`,
    ...(ranges.length > 0 ? [`static ${rangesText(ranges)}`] : []),
    ...(appended.length > 0 ? [`appended to the index ${rangesText(appended)}`] : []),
  ].join("\n");
}

function rangesText(ranges: readonly KeyRange[]): string {
  return ranges.map(([start, end]) => rangeText(start, end - 1)).join(", ");
}
