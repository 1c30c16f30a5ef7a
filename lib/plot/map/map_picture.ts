/** Attention maps as SVG: raster, axes, strips, overlay, colour bar, caption. */
import type { BinAxis } from "../draw/bins.ts";
import type { Picture } from "../figure.ts";
import { textColumns } from "../draw/columns.ts";
import { type Box, hatch } from "../draw/hatch.ts";
import { effectiveColumns, type MapGrid, receivedWeights } from "./map_grid.ts";
import { hoverScript } from "./map_hover.ts";
import { grouped, shortNumber } from "../draw/number_text.ts";
import { loadPalette, type Palette, type PaletteName } from "../draw/palette.ts";
import { overlayUri, veilUri } from "./plan_picture.ts";
import type { Coverage } from "./plan_overlay.ts";
import { rasterUri } from "../draw/raster.ts";
import { makeScale, rangeOf, type Scale } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, MONOSPACE, svgDocument } from "../draw/svg.ts";
import { binText, tokenTicks } from "../draw/token_axis.ts";
import { shortToken } from "../draw/token_text.ts";

/** A map and how it is to be drawn. */
export interface MapDrawing {
  /** The map. */
  readonly grid: MapGrid;
  /** Values that get colours, `NaN` where there are none. */
  readonly values: Float64Array;
  /** From values to ink. */
  readonly scale: Scale;
  /** What a plan covers. */
  readonly coverage: Coverage | undefined;
  /** Columns at the left that are left out: none or one. */
  readonly leftOut: 0 | 1;
  /** What a cell's value is. */
  readonly pool: "max" | "mean";
  /** Line above. */
  readonly title: string;
  /** Caption. */
  readonly facts: readonly string[];
  /** Width in pixels. */
  readonly width: number;
  /** Colours. */
  readonly palette: PaletteName;
  /** Text of each key token. */
  readonly tokens: readonly string[] | undefined;
}

/** Tokens of an axis whose tokens are named. */
const NAMED = 64;
/** Tokens of an axis each of which has its position. */
const NUMBERED = 12;
const STRIP = 44;
const GAP = 6;
const TOP = 16;
const RIGHT = 12;
const FONT = 10;
/** Width of a character of a monospaced font of size 1. */
const MONO = 0.61;

/** Draws a map. */
export async function drawMap(drawing: MapDrawing): Promise<Picture> {
  const palette = await loadPalette(drawing.palette);
  const body = await mapBody(drawing, palette);
  const { title, facts, width, scale } = drawing;
  const measure = measureOf(drawing);
  const svg = await sheet({ title, body, facts, width, ink: { palette, scale, title: measure } });
  return {
    svg,
    html: `${drawing.coverage ? PLAN_SWITCH : ""}${svg}${PINNED}`,
    script: hoverScript(drawing, measure),
  };
}

/** What a cell's colour stands for. */
function measureOf({ grid: { queries, keys }, pool }: MapDrawing): string {
  if (queries.bins === queries.tokens && keys.bins === keys.tokens) return "weight";
  return pool === "max" ? "largest weight of a cell" : "mean mass of a cell";
}

const PLAN_SWITCH =
  "<style>.ll-figure .ll-plan-switch:not(:has(:checked))~svg .ll-plan{display:none}</style>" +
  '<label class="ll-plan-switch"><input type="checkbox" checked> show the plan</label>';

const PINNED =
  '<div class="ll-pin" style="white-space:pre-wrap;font:11px ui-monospace,monospace"></div>';

async function mapBody(drawing: MapDrawing, palette: Palette): Promise<string> {
  const { grid, width, coverage, leftOut } = drawing;
  const names = axisNames(drawing);
  const box = rasterBox(grid, width, names);
  const height = box.y + box.height + names.bottom + FONT + 6;
  const parts = [
    await raster(drawing, palette, box),
    leftOut ? hatch([{ ...box, width: Math.max(3, box.width / grid.keys.bins) }]) : "",
    coverage ? await planLayer(grid, coverage, box) : "",
    element("rect", { ...box, ...FRAME }),
    names.keys ? keyNames(names.keys, box) : keyTicks(grid, box),
    names.queries ? queryNames(names.queries, box) : queryTicks(grid, box),
    axisTitle("key", grid.keys, box.x + box.width / 2, height - 4),
    axisTitle("query", grid.queries, 10, box.y + box.height / 2, -90),
    receivedStrip(drawing, box),
    spreadStrip(drawing, box),
    element("rect", { class: "ll-pin-line", visibility: "hidden", ...PIN }),
  ];
  return svgDocument({ width, height, about: drawing.title }, ...parts);
}

const FRAME = {
  fill: "none",
  stroke: "currentColor",
  "stroke-opacity": 0.4,
  "pointer-events": "none",
};
const PIN = { fill: "none", stroke: "#d55e00", "stroke-width": 1.5, "pointer-events": "none" };

/** Names of the tokens along the axes where there are few enough, and the room that labels take. */
interface AxisNames {
  readonly keys: readonly string[] | undefined;
  readonly queries: readonly string[] | undefined;
  readonly left: number;
  readonly bottom: number;
}

function axisNames({ grid: { queries, keys, firstQuery }, tokens, width }: MapDrawing): AxisNames {
  const names = {
    keys: namesOf(tokens, 0, keys.tokens),
    queries: namesOf(tokens, firstQuery, queries.tokens),
  };
  return {
    ...names,
    left: Math.max(46, roomOf(names.queries, width)) + 14,
    bottom: Math.max(18, roomOf(names.keys, width)),
  };
}

/** Tokens of a short axis; positions where their texts are not known and the axis is very short. */
function namesOf(
  tokens: readonly string[] | undefined,
  first: number,
  count: number,
): readonly string[] | undefined {
  if (tokens && count <= NAMED) {
    return tokens.slice(first, first + count).map((text) => shortToken(text, 12));
  }
  if (count > NUMBERED) return undefined;
  return Array.from({ length: count }, (_, i) => grouped(first + i));
}

function roomOf(names: readonly string[] | undefined, width: number): number {
  if (!names) return 0;
  const size = Math.min(FONT, 0.85 * width / names.length);
  return size * MONO * Math.max(...names.map(textColumns)) + 8;
}

/** Where the raster is: as high as wide for a square map, and at least a line for each of a few queries. */
function rasterBox({ queries, keys }: MapGrid, width: number, names: AxisNames): Box {
  const plotWidth = Math.max(40, width - names.left - GAP - STRIP - RIGHT);
  const least = Math.min(plotWidth, Math.max(40, 12 * Math.min(queries.tokens, 10)));
  const height = Math.max(least, plotWidth * queries.tokens / keys.tokens);
  return { x: names.left, y: TOP + STRIP + GAP, width: plotWidth, height };
}

async function raster(drawing: MapDrawing, palette: Palette, box: Box): Promise<string> {
  const { grid: { queries, keys }, values, scale } = drawing;
  const uri = await rasterUri(values, { rows: queries.bins, columns: keys.bins }, scale, palette);
  return image("ll-raster", uri, box, "pixelated");
}

/** Share of white over what is not computed: its attention stays to be seen. */
const VEIL = 0.82;

async function planLayer(grid: MapGrid, coverage: Coverage, box: Box): Promise<string> {
  const marks = image("ll-plan", await overlayUri(grid, coverage), box);
  if (coverage.look === "outline") return marks;
  const veil = image("ll-plan", await veilUri(grid, coverage), box, "pixelated");
  return element("g", { opacity: VEIL }, veil) + marks;
}

function image(name: string, href: string, box: Box, rendering?: string): string {
  return element("image", {
    class: name,
    ...box,
    preserveAspectRatio: "none",
    "image-rendering": rendering,
    "pointer-events": name === "ll-raster" ? undefined : "none",
    href,
  });
}

function keyTicks({ keys }: MapGrid, box: Box): string {
  const base = box.y + box.height;
  return tokenTicks(keys.tokens, box.width / 70).map(({ at, text }) => {
    const x = box.x + at * box.width;
    return line(x, base, x, base + 4) + label(text, { x, y: base + 15, "text-anchor": "middle" });
  }).join("");
}

function queryTicks({ queries, firstQuery }: MapGrid, box: Box): string {
  return tokenTicks(queries.tokens, box.height / 50, firstQuery).map(({ at, text }) => {
    const y = box.y + at * box.height;
    return line(box.x - 4, y, box.x, y) +
      label(text, { x: box.x - 7, y: y + 3.5, "text-anchor": "end" });
  }).join("");
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return element("line", { x1, y1, x2, y2, stroke: "currentColor" });
}

function keyNames(names: readonly string[], box: Box): string {
  const step = box.width / names.length;
  return names.map((name, i) =>
    tokenName(name, box.x + (i + 0.5) * step, box.y + box.height + 5, step, -90)
  ).join("");
}

function queryNames(names: readonly string[], box: Box): string {
  const step = box.height / names.length;
  return names.map((name, i) => tokenName(name, box.x - 5, box.y + (i + 0.5) * step, step)).join(
    "",
  );
}

/** A token that ends at a place, in a font that is no higher than its row. */
function tokenName(name: string, x: number, y: number, step: number, angle = 0): string {
  return label(name, {
    "font-family": MONOSPACE,
    "font-size": Math.min(FONT, 1.05 * step),
    "text-anchor": "end",
    dy: "0.35em",
    transform: `translate(${x.toFixed(2)},${y.toFixed(2)}) rotate(${angle})`,
  });
}

function axisTitle(name: string, axis: BinAxis, x: number, y: number, angle = 0): string {
  const bin = binText(axis);
  return label(bin ? `${name} (token; ${bin})` : `${name} (token)`, {
    "text-anchor": "middle",
    transform: `translate(${x.toFixed(2)},${y.toFixed(2)}) rotate(${angle})`,
  });
}

/** Above: mean weight each key receives, in the scale of the colours. */
function receivedStrip({ grid, scale, leftOut }: MapDrawing, box: Box): string {
  const weights = receivedWeights(grid).fill(NaN, 0, leftOut);
  const [, most] = rangeOf(weights);
  const strip = makeScale(scale.name, weights, [0, most]);
  const base = box.y - GAP;
  const steps = Array.from(weights, (weight, column) => {
    const height = Number.isNaN(weight) ? 0 : STRIP * strip.ink(weight);
    return `V${round(base - height)}H${round(box.x + (column + 1) * box.width / weights.length)}`;
  });
  const text = `mean weight a key receives, up to ${shortNumber(most)} (${scale.name})`;
  return area(`M${round(box.x)},${round(base)}${steps.join("")}V${round(base)}Z`) +
    label(text, { x: box.x, y: base - STRIP - 5, "fill-opacity": 0.75 });
}

/** At the right: over how many columns each row spreads. */
function spreadStrip({ grid, leftOut }: MapDrawing, box: Box): string {
  const spread = effectiveColumns(grid, leftOut);
  const [, most] = rangeOf(spread);
  const scale = makeScale("sqrt", spread, [0, Math.max(1, most)]);
  const base = box.x + box.width + GAP;
  const steps = Array.from(spread, (columns, row) => {
    const width = Number.isNaN(columns) ? 0 : STRIP * scale.ink(columns);
    return `H${round(base + width)}V${round(box.y + (row + 1) * box.height / spread.length)}`;
  });
  const columns = grid.keys.bins === grid.keys.tokens ? "keys" : "bins";
  return area(`M${round(base)},${round(box.y)}${steps.join("")}H${round(base)}Z`) +
    ["effective", columns, `\u2264 ${shortNumber(most)}`].map((text, i) =>
      label(text, { x: base, y: box.y - 30 + 13 * i, "fill-opacity": 0.75 })
    ).join("");
}

function area(d: string): string {
  return element("path", { d, fill: "currentColor", "fill-opacity": 0.55 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
