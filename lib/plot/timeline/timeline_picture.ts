/** Keys over steps as SVG. */
import { stacked } from "../draw/arrange.ts";
import { chart } from "../draw/chart.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { grouped } from "../draw/number_text.ts";
import { type Colour, css } from "../draw/palette.ts";
import { pngUri } from "../draw/png.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, svgDocument } from "../draw/svg.ts";
import { rangeText } from "../draw/token_axis.ts";
import { visibleToken } from "../draw/token_text.ts";
import type { Picture } from "../figure.ts";
import { positionScale, rowHeight, tokenScale } from "../retrieval/step_axes.ts";
import type { KeyRange, Timeline, TimelineRow } from "./timeline_rows.ts";

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

const MARGIN = { left: 84, right: 12, top: 18, bottom: 34 };
/** A narrower map would show nothing. */
const LEAST_MAP = 120;
/** Okabe and Ito's blue, vermilion and green. */
const COLOURS: Readonly<Record<KeyKind, Colour>> = {
  static: [0, 114, 178],
  retrieved: [213, 94, 0],
  appended: [0, 158, 115],
};
/** Opacity of a key that was retrieved alone in its bin, and of keys that were not touched. */
const OPACITY = { least: 0.4, idle: 0.09 };
/** Palette entries: nothing, a key, and retrieved keys up to the most in a bin. */
const ENTRIES = { none: 0, idle: 1, retrieved: 2, levels: 16 };
/** Least width of what was appended. */
const LEAST_BOX = 4;
const LEGEND = { line: 18, mark: 22, character: 6.2, gap: 20 };

/** Draws steps by positions: lines for static keys, ticks for retrieved and boxes for appended ones. */
export async function drawTimeline(drawing: TimelineDrawing): Promise<Picture> {
  const { timeline, legend, facts, title, width } = drawing;
  const body = stacked([await drawMap(timeline, width), legendRows(legend, width)]);
  return { svg: await sheet({ title, body, facts, width }), script: hoverOf(timeline) };
}

async function drawMap(timeline: Timeline, width: number): Promise<string> {
  const { rows, axis } = timeline;
  const wide = Math.max(LEAST_MAP, width - MARGIN.left - MARGIN.right);
  const high = rows.length * rowHeight(rows);
  const image = element("image", {
    class: "ll-grid",
    x: MARGIN.left,
    y: MARGIN.top,
    width: wide,
    height: high,
    preserveAspectRatio: "none",
    // Where bins are narrower than a pixel, "pixelated" would leave some out.
    "image-rendering": wide >= axis.bins ? "pixelated" : undefined,
    href: await retrievedUri(timeline),
  });
  return chart((plot) => ({
    width: MARGIN.left + wide + MARGIN.right,
    height: MARGIN.top + high + MARGIN.bottom,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    x: positionScale(axis, wide),
    y: tokenScale(rows),
    marks: [
      plot.text(["token"], { frameAnchor: "top-left", textAnchor: "end", dx: -7, dy: -14 }),
    ],
  }), (svg) => {
    svg.insertAdjacentHTML("afterbegin", image);
    svg.insertAdjacentHTML("beforeend", rangeMarks(timeline, wide));
  });
}

/** Keys there were, and the retrieved ones among them, a pixel a bin. */
function retrievedUri({ axis, rows }: Timeline): Promise<string> {
  const most = Math.max(1, ...rows.map(({ retrieved }) => Math.max(...retrieved)));
  const pixels = Uint8Array.from(
    rows.flatMap(({ retrieved, keys }) =>
      Array.from(retrieved, (count, bin) => {
        if (count > 0) return ENTRIES.retrieved + Math.round(shareOf(count, most) * LAST_LEVEL);
        return axis.firstOf(bin) < keys ? ENTRIES.idle : ENTRIES.none;
      })
    ),
  );
  return pngUri({ width: axis.bins, height: rows.length, pixels, palette: paletteOf() });
}

const LAST_LEVEL = ENTRIES.levels - 1;

/** 0 for a single key, 1 for the most. */
function shareOf(count: number, most: number): number {
  return most > 1 ? Math.sqrt((count - 1) / (most - 1)) : 1;
}

function paletteOf(): Uint8Array {
  const levels = Array.from({ length: ENTRIES.levels }, (_, level) => {
    const opacity = OPACITY.least + (1 - OPACITY.least) * level / LAST_LEVEL;
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
    const y = MARGIN.top + (row + 0.5) * high;
    return ranges.map(([start, end]) =>
      `M${round(MARGIN.left + start * scale)},${y}H${round(MARGIN.left + end * scale)}`
    );
  });
  const boxes = rows.flatMap(({ appended }, row) =>
    appended.map((range) => boxPath(range, MARGIN.top + row * high, high, scale))
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
  const right = MARGIN.left + end * scale;
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

function hoverOf({ axis, rows }: Timeline): string {
  const firsts = Array.from({ length: axis.bins }, (_, bin) => axis.firstOf(bin));
  return gridHover({
    rows: rows.map(rowTitle),
    columns: firsts.map((first, bin) => `position ${rangeText(first, axis.firstOf(bin + 1) - 1)}`),
    values: rows.flatMap(({ retrieved, keys }) =>
      firsts.map((first, bin) => first < keys ? retrieved[bin]! : NaN)
    ),
    measure: "keys retrieved:",
  });
}

/** What is known of a row: its steps, and which keys were static and appended. */
function rowTitle({ steps: [first, last], tokens, keys, ranges, appended }: TimelineRow): string {
  const steps = first === last ? `step ${first}` : `steps ${first} .. ${last}`;
  return [
    `${steps} ${tokens.map(visibleToken).join("")}, ${grouped(keys)} keys`,
    ...(ranges.length > 0 ? [`static ${rangesText(ranges)}`] : []),
    ...(appended.length > 0 ? [`appended to the index ${rangesText(appended)}`] : []),
  ].join("\n");
}

function rangesText(ranges: readonly KeyRange[]): string {
  return ranges.map(([start, end]) => rangeText(start, end - 1)).join(", ");
}
