/** Keys and queries on two directions as SVG. */
import { meanOf } from "../draw/averages.ts";
import { evenPlaces } from "../draw/bins.ts";
import { chart, type Plot } from "../draw/chart.ts";
import { shortNumber } from "../draw/number_text.ts";
import { planeOf } from "../draw/plane.ts";
import { rangeOf } from "../draw/scale.ts";
import type { HeadShift } from "./shift_data.ts";
import { LOOKS, pointMarks } from "./shift_looks.ts";

type Point = readonly [x: number, y: number];

/** What both axes show, in the same units a pixel. */
interface Window {
  /** Left and upper end. */
  readonly origin: Point;
  /** Units of a pixel. */
  readonly step: number;
}

const HEIGHT = 268;
const MARGIN = { top: 18, right: 22, bottom: 36, left: 34 };
const AXES = [
  "from mean key to mean query",
  "main direction of the keys, at right angles",
] as const;
const LOOK = {
  labelArrow: "none",
  ticks: 5,
  tickSize: 3,
  tickFormat: shortNumber,
  grid: true,
} as const;
/** Room beside the outermost points, as a factor. */
const ROOM = 1.08;

/**
 * Draws the points, at most so many keys and queries, evenly spread; a pixel is as far along one direction as along the
 * other.
 */
export function drawPoints(shift: HeadShift, most: number, width: number): Promise<string> {
  const { axes: [x, y] = AXES } = shift;
  const [keys, queries] = [pointsOf(shift.keys), pointsOf(shift.queries)];
  const room = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom] as const;
  const window = windowOf([...keys, ...queries], room);
  const { origin: [left, top], step } = window;
  const markup = pointMarks("keys", placesOf(thinned(keys, most), window)) +
    pointMarks("queries", placesOf(thinned(queries, most), window));
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { domain: [left, left + step * room[0]], label: x, labelAnchor: "center", ...LOOK },
    y: { domain: [top - step * room[1], top], label: y, labelAnchor: "top", ...LOOK },
    marks: [
      meanMark(plot, keys, "keys"),
      meanMark(plot, queries, "queries"),
    ],
  }), (svg) => svg.insertAdjacentHTML("afterbegin", markup));
}

function meanMark(plot: Plot, points: readonly Point[], kind: keyof typeof LOOKS) {
  const { colour, symbol } = LOOKS[kind];
  const mean = [0, 1].map((axis) => meanOf(points.map((point) => point[axis]!)));
  return plot.dot([mean], {
    x: "0",
    y: "1",
    r: 6,
    symbol,
    fill: colour,
    stroke: "currentColor",
    strokeWidth: 1.6,
    title: () => `mean of the ${kind}: ${mean.map(shortNumber).join(", ")}`,
  });
}

function thinned(points: readonly Point[], most: number): Point[] {
  return evenPlaces(points.length, most).map((place) => points[place]!);
}

function pointsOf(values: ArrayLike<number>): Point[] {
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);
}

/** Where points are, in pixels. */
function placesOf(points: readonly Point[], { origin: [left, top], step }: Window): Point[] {
  return points.map(([x, y]) => [MARGIN.left + (x - left) / step, MARGIN.top + (top - y) / step]);
}

/** A window on all points, with the middle of both ranges in its own. */
function windowOf(points: readonly Point[], room: Point): Window {
  const ranges = [0, 1].map((axis) => rangeOf(points.map((point) => point[axis]!)));
  const steps = ranges.map(([low, high], axis) => ROOM * (high - low) / room[axis]!);
  const step = Math.max(...steps) || 1;
  const [x, y] = ranges.map(([low, high]) => (low + high) / 2);
  return { origin: [x! - step * room[0] / 2, y! + step * room[1] / 2], step };
}
