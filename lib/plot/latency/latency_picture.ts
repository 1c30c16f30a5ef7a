/** Times by length as SVG. */
import { stacked } from "../draw/arrange.ts";
import { chart, type Plot } from "../draw/chart.ts";
import { planeOf } from "../draw/plane.ts";
import { lengthText } from "../draw/length_text.ts";
import { decadeTicks, extentOf, tickMarks } from "../draw/log_axis.ts";
import { msText } from "../draw/number_text.ts";
import { type SeriesLook, seriesLook, symbolDots } from "../draw/series.ts";
import { seriesSheet } from "../draw/series_sheet.ts";
import type { Picture } from "../figure.ts";
import {
  type LatencyCeiling,
  type LatencyPoint,
  type LatencySeries,
  tiersOf,
} from "./latency_data.ts";
import { lengthTicks } from "./length_axis.ts";
import { drawMemory } from "./memory_picture.ts";

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

/** Draws the plane and its legend. */
export async function drawLatency(drawing: LatencyDrawing): Promise<Picture> {
  const { series, ceilings, factOf, title, width, baseline } = drawing;
  const looks = series.map((one, i): Look => ({ ...one, ...seriesLook(i) }));
  const planes = [await drawPlane(drawing, looks)];
  const tiers = tiersOf(series.flatMap(({ points }) => points));
  if (tiers.length > 0) planes.push(await drawMemory(looks, tiers, width));
  const legend = looks.map((look) => ({ ...look, facts: `: ${factOf(look)}` }));
  const facts = ["symbols are measured, lines only join them"];
  if (series.some(({ breakEven }) => breakEven)) {
    facts.push(`ring: faster than ${baseline} from here on`);
  }
  if (tiers.length > 0) facts.push("what takes no bytes is not drawn");
  facts.push(...ceilings.map(({ name }, i) => `${DASHES[i]!.name}: ${name}`));
  return { svg: await seriesSheet({ title, plane: stacked(planes), legend, facts, width }) };
}

function drawPlane({ ceilings, width }: LatencyDrawing, looks: readonly Look[]): Promise<string> {
  const measured = looks.flatMap(({ points }) => points);
  const points = [...measured, ...ceilings.flatMap(({ points }) => points)];
  const x = extentOf(points.map(({ tokens }) => tokens));
  const y = extentOf(points.map(({ ms }) => ms));
  const room = width - MARGIN.left - MARGIN.right;
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { type: "log", domain: x, axis: null },
    y: { type: "log", domain: y, axis: null },
    marks: [
      ...tickMarks(plot, "x", { ...AXES.x, ticks: lengthTicks(measured, x, room) }),
      ...tickMarks(plot, "y", { ...AXES.y, ticks: decadeTicks(y) }),
      ...ceilings.map((ceiling, i) => ceilingMarks(plot, ceiling, i)),
      ...looks.flatMap((look) => marksOf(plot, look)),
    ],
  }));
}

function ceilingMarks(plot: Plot, { points }: LatencyCeiling, i: number) {
  const sorted = points.toSorted((a, b) => a.tokens - b.tokens);
  const looks = { stroke: "currentColor", strokeOpacity: 0.7, strokeDasharray: DASHES[i]!.dashes };
  return plot.line(sorted, { x: "tokens", y: "ms", ...looks });
}

function marksOf(plot: Plot, look: Look) {
  const { name, points, colour, breakEven } = look;
  const at = { x: "tokens", y: "ms" };
  const title = ({ tokens, ms }: LatencyPoint) => `${name}\n${lengthText(tokens)}: ${msText(ms)}`;
  const ring = { ...at, r: 8, fill: "none", stroke: colour, strokeWidth: 1.5 };
  return [
    plot.line(points, { ...at, stroke: colour, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    plot.dot(breakEven ? [breakEven] : [], ring),
    symbolDots(plot, look, points, { ...at, title }),
  ];
}
