/** Times by length as SVG. */
import { chart, type Plot } from "../draw/chart.ts";
import { planeOf } from "../draw/plane.ts";
import { lengthText } from "../draw/length_text.ts";
import { decadeTicks, tickMarks } from "../draw/log_axis.ts";
import { msText } from "../draw/number_text.ts";
import { OUTLINE, type SeriesLook, seriesLook } from "../draw/series.ts";
import { seriesSheet } from "../draw/series_sheet.ts";
import type { Picture } from "../figure.ts";
import type { LatencyCeiling, LatencyPoint, LatencySeries } from "./latency_data.ts";

/** Times and how they are to be drawn. */
export interface LatencyDrawing {
  /** The methods. */
  readonly series: readonly LatencySeries[];
  /** Times that the machine cannot stay below. */
  readonly ceilings: readonly LatencyCeiling[];
  /** Method that the others are compared with. */
  readonly baseline: string;
  /** What is said of a method. */
  readonly factOf: (series: LatencySeries) => string;
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

type Look = LatencySeries & SeriesLook;

const HEIGHT = 320;
const MARGIN = { top: 20, right: 22, bottom: 36, left: 56 };
/** Room beside the outermost points, as a factor. */
const ROOM = 1.25;
const AXES = {
  x: { label: "tokens (1K = 1,024)", labelAnchor: "center", text: lengthText },
  y: { label: "time", labelAnchor: "top", text: msText },
} as const;
/** How ceilings are told apart. */
const DASHES = [
  { name: "dashed", dashes: "5 4" },
  { name: "dotted", dashes: "1 3" },
  { name: "dash-dotted", dashes: "8 3 1 3" },
];
/** Ceilings that can be told apart. */
export const MOST_CEILINGS: number = DASHES.length;
/** Width that the text of a length takes. */
const TICK = 52;

/** Draws the plane and its legend. */
export async function drawLatency(drawing: LatencyDrawing): Promise<Picture> {
  const { series, ceilings, factOf, title, width, baseline } = drawing;
  const looks = series.map((one, i): Look => ({ ...one, ...seriesLook(i) }));
  const plane = await drawPlane(drawing, looks);
  const legend = looks.map((look) => ({ ...look, facts: `: ${factOf(look)}` }));
  const facts = ["symbols are measured, lines only join them"];
  if (series.some(({ breakEven }) => breakEven)) {
    facts.push(`ring: faster than ${baseline} from here on`);
  }
  facts.push(...ceilings.map(({ name }, i) => `${DASHES[i]!.name}: ${name}`));
  return { svg: await seriesSheet({ title, plane, legend, facts, width }) };
}

function drawPlane({ ceilings, width }: LatencyDrawing, looks: readonly Look[]): Promise<string> {
  const points = [...looks, ...ceilings].flatMap(({ points }) => points as LatencyPoint[]);
  const x = extentOf(points.map(({ tokens }) => tokens));
  const y = extentOf(points.map(({ ms }) => ms));
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { type: "log", domain: x, axis: null },
    y: { type: "log", domain: y, axis: null },
    marks: [
      ...tickMarks(plot, "x", { ...AXES.x, ticks: lengthTicks(looks, x, width) }),
      ...tickMarks(plot, "y", { ...AXES.y, ticks: decadeTicks(y) }),
      ...ceilings.map((ceiling, i) => ceilingMarks(plot, ceiling, i)),
      ...looks.flatMap((look) => marksOf(plot, look)),
    ],
  }));
}

function extentOf(values: readonly number[]): [number, number] {
  return [Math.min(...values) / ROOM, Math.max(...values) * ROOM];
}

/** Lengths that were measured, those that have room. */
function lengthTicks(
  looks: readonly Look[],
  [low, high]: readonly [number, number],
  width: number,
): number[] {
  const lengths = new Set(looks.flatMap(({ points }) => points.map(({ tokens }) => tokens)));
  const pixels = (width - MARGIN.left - MARGIN.right) / Math.log(high / low);
  const ticks: number[] = [];
  for (const tokens of [...lengths].sort((a, b) => b - a)) {
    const next = ticks.at(-1);
    if (!next || pixels * Math.log(next / tokens) >= TICK) ticks.push(tokens);
  }
  return ticks;
}

function ceilingMarks(plot: Plot, { points }: LatencyCeiling, i: number) {
  const sorted = points.toSorted((a, b) => a.tokens - b.tokens);
  const looks = { stroke: "currentColor", strokeOpacity: 0.7, strokeDasharray: DASHES[i]!.dashes };
  return plot.line(sorted, { x: "tokens", y: "ms", ...looks });
}

function marksOf(plot: Plot, { name, points, colour, symbol, breakEven }: Look) {
  const at = { x: "tokens", y: "ms" };
  const title = ({ tokens, ms }: LatencyPoint) => `${name}\n${lengthText(tokens)}: ${msText(ms)}`;
  const ring = { ...at, r: 8, fill: "none", stroke: colour, strokeWidth: 1.5 };
  return [
    plot.line(points, { ...at, stroke: colour, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    plot.dot(breakEven ? [breakEven] : [], ring),
    plot.dot(points, { ...at, symbol, r: 4, fill: colour, fillOpacity: 0.9, ...OUTLINE, title }),
  ];
}
