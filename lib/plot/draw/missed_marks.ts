/** Marks of series on planes whose y axis is a {@link missedAxis}. */
import type { Plot } from "./chart.ts";
import { type SeriesLook, symbolDots } from "./series.ts";

/** How a wanted share is drawn. */
export const TARGET = { stroke: "currentColor", strokeOpacity: 0.7, strokeDasharray: "4 3" };

/** A series of points, and where they are. */
export interface MissedSeries<Point> {
  /** The points, joined in this order. */
  readonly points: readonly Point[];
  /** Field with the number along x. */
  readonly x: string & keyof Point;
  /** Share that heads have on average. */
  readonly mean: (point: Point) => number;
  /** Share that the low ones have. */
  readonly low: (point: Point) => number;
  /** What a point says under the pointer. */
  readonly title: (point: Point) => string;
}

/** Radius of the dot at the low share. */
const FOOT = 2;

/** Symbols at the means, joined by a line, and by a thin line down from each a dot at the low share. */
export function missedMarks<Point>(plot: Plot, look: SeriesLook, series: MissedSeries<Point>) {
  const { points, x, title } = series;
  const { colour } = look;
  const mean = (point: Point) => 1 - series.mean(point);
  const low = (point: Point) => 1 - series.low(point);
  const thin = { stroke: colour, strokeOpacity: 0.8, strokeWidth: 1 };
  return [
    plot.line(points, { x, y: mean, stroke: colour, strokeWidth: 1.5 }),
    plot.link(points, { x1: x, x2: x, y1: mean, y2: low, ...thin }),
    plot.dot(points, { x, y: low, r: FOOT, fill: colour }),
    symbolDots(plot, look, points, { x, y: mean, title }),
  ];
}
