/** Memory by length as SVG: a plane for each tier. */
import { beside, stacked } from "../draw/arrange.ts";
import { chart, type Plot } from "../draw/chart.ts";
import { lengthText } from "../draw/length_text.ts";
import { decadeTicks, extentOf, tickMarks } from "../draw/log_axis.ts";
import { bytesText } from "../draw/number_text.ts";
import { planeOf } from "../draw/plane.ts";
import { type SeriesLook, symbolDots } from "../draw/series.ts";
import type { LatencyPoint, LatencySeries, MemoryTier } from "./latency_data.ts";
import { lengthTicks } from "./length_axis.ts";

/** A method and how it looks. */
type Look = LatencySeries & SeriesLook;

/** What the planes of all tiers share. */
interface Plane {
  readonly width: number;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

const HEIGHT = 190;
const MARGIN = { top: 24, right: 14, bottom: 36, left: 56 };
/** Below this width a plane does not stand beside another. */
const LEAST_PLANE = 190;
const RADIUS = { least: 2.5, most: 5.5 };
/** More ticks than this have no room. */
const MOST_TICKS = 7;

/** Draws the tiers beside each other, where there is room. */
export async function drawMemory(
  looks: readonly Look[],
  tiers: readonly MemoryTier[],
  width: number,
): Promise<string> {
  const points = looks.flatMap(({ points }) => points);
  const bytes = points.flatMap((point) => tiers.map((tier) => point[tier.bytes] ?? 0));
  const isBeside = width / tiers.length >= LEAST_PLANE;
  const plane = {
    width: isBeside ? Math.floor(width / tiers.length) : width,
    x: extentOf(points.map(({ tokens }) => tokens)),
    y: extentOf(bytes.filter((amount) => amount > 0)),
  };
  const planes = await Promise.all(tiers.map((tier) => drawTier(looks, tier, plane)));
  return isBeside ? beside(planes) : stacked(planes);
}

function drawTier(looks: readonly Look[], tier: MemoryTier, plane: Plane): Promise<string> {
  const { width, x, y } = plane;
  const room = width - MARGIN.left - MARGIN.right;
  const ticks = lengthTicks(looks.flatMap(({ points }) => points), x, room);
  const labels = {
    x: { label: "tokens", labelAnchor: "center" },
    y: { label: tier.name, labelAnchor: "top" },
  } as const;
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { type: "log", domain: x, axis: null },
    y: { type: "log", domain: y, axis: null },
    marks: [
      ...tickMarks(plot, "x", { ...labels.x, ticks, text: lengthText }),
      ...tickMarks(plot, "y", { ...labels.y, ticks: byteTicks(y), text: tickText }),
      ...looks.flatMap((look, i) => tierMarks(plot, look, tier, radius(i, looks.length))),
    ],
  }));
}

/** Radius of a symbol: smaller from method to method, so that those at one place show. */
function radius(i: number, count: number): number {
  return RADIUS.least + (RADIUS.most - RADIUS.least) * (1 - i / Math.max(1, count - 1));
}

function tierMarks(plot: Plot, look: Look, tier: MemoryTier, r: number) {
  const { name, points, colour } = look;
  const at = { x: "tokens", y: tier.bytes };
  const some = points.filter((point) => (point[tier.bytes] ?? 0) > 0);
  const title = (point: LatencyPoint) =>
    `${name}\n${lengthText(point.tokens)}: ${tier.name} ${bytesText(point[tier.bytes]!)}`;
  return [
    plot.line(some, { ...at, stroke: colour, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    symbolDots(plot, look, some, { ...at, title, r }),
  ];
}

function byteTicks(domain: readonly [number, number]): number[] {
  const ticks = decadeTicks(domain);
  return ticks.length > MOST_TICKS
    ? ticks.filter((tick) => Number.isInteger(Math.log10(tick)))
    : ticks;
}

/** Bytes without the zeros behind the point that ticks always have. */
function tickText(bytes: number): string {
  return bytesText(bytes).replace(/\.0+ /, " ");
}
