/** Rooflines as SVG. */
import { chart, type Plot } from "../draw/chart.ts";
import { planeOf } from "../draw/plane.ts";
import { extentOf, logAxis } from "../draw/log_axis.ts";
import { fromTo, percentText, shortNumber } from "../draw/number_text.ts";
import { OUTLINE, type SeriesLook, seriesLook } from "../draw/series.ts";
import { seriesSheet } from "../draw/series_sheet.ts";
import type { Picture } from "../figure.ts";
import {
  type RooflineData,
  type RooflinePoint,
  type RooflineSeries,
  seriesOf,
} from "./roofline_data.ts";

/** A roofline and how it is to be drawn. */
export interface RooflineDrawing {
  /** What it shows. */
  readonly data: RooflineData;
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

/** A series with its looks. */
type Look = RooflineSeries & SeriesLook;

/** Ends of both axes: intensity and GFLOP/s. */
interface Extent {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** A ceiling as a line, with its name at one end. */
interface Line {
  readonly name: string;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

const HEIGHT = 340;
const MARGIN = { top: 20, right: 14, bottom: 36, left: 50 };
/** Pixels between a name and the start of its line, and the line itself. */
const NAME = { after: 10, above: 7 };
const AXES = {
  x: { label: "operations for each byte (FLOP/B)", labelAnchor: "center" },
  y: { label: "GFLOP/s", labelAnchor: "top" },
} as const;
/** Room about the outermost points and lines, as a factor. */
const ROOM = 1.6;

/** Draws the roofline. */
export async function drawRoofline({ data, title, width }: RooflineDrawing): Promise<Picture> {
  const looks = seriesOf(data).map((series, i): Look => ({
    ...series,
    ...seriesLook(i),
  }));
  const legend = looks.map((look) => ({ ...look, facts: legendFacts(look) }));
  const plane = await drawPlane(data, looks, width);
  return { svg: await seriesSheet({ title, plane, legend, facts: [], width }) };
}

function drawPlane(data: RooflineData, looks: readonly Look[], width: number): Promise<string> {
  const extent = extentsOf(data);
  const rise = steepness(extent, width);
  const reads = readLines(data, extent);
  const peaks = peakLines(data, extent);
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: logAxis(AXES.x, extent.x),
    y: logAxis(AXES.y, extent.y),
    marks: [
      ceilings(plot, [...reads, ...peaks]),
      plot.text(reads, { x: "x1", y: "y1", text: "name", textAnchor: "start", ...along(rise) }),
      plot.text(peaks, { x: "x2", y: "y2", text: "name", textAnchor: "end", dx: -4, dy: -6 }),
      ...looks.map((look) => points(plot, look)),
    ],
  }));
}

function ceilings(plot: Plot, lines: readonly Line[]) {
  const ends = { x1: "x1", y1: "y1", x2: "x2", y2: "y2" };
  return plot.link(lines, { ...ends, stroke: "currentColor", strokeOpacity: 0.7 });
}

/** Above a line that rises by so many degrees, a little after its start. */
function along(degrees: number): { dx: number; dy: number; rotate: number } {
  const [cos, sin] = [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
  return {
    dx: NAME.after * cos - NAME.above * sin,
    dy: -NAME.after * sin - NAME.above * cos,
    rotate: -degrees,
  };
}

function points(plot: Plot, { name: series, points, colour, symbol }: Look) {
  return plot.dot(points, {
    x: "intensity",
    y: "gflops",
    symbol,
    r: 4,
    fill: colour,
    fillOpacity: 0.85,
    ...OUTLINE,
    title: (point: RooflinePoint) => titleOf(series, point),
  });
}

function titleOf(series: string, { name, gflops, ceiling }: RooflinePoint): string {
  const share = percentText(gflops / ceiling);
  return `${series} ${name}: ${shortNumber(gflops)} GFLOP/s, ${share} of its ceiling`;
}

function extentsOf({ points, reads, peaks }: RooflineData): Extent {
  const slowest = Math.min(...reads.map(({ gbps }) => gbps));
  const highest = Math.max(...peaks.map(({ gflops }) => gflops));
  const xs = [...points.map(({ intensity }) => intensity), highest / slowest];
  const x = extentOf(xs, ROOM);
  const ys = [...points.map(({ gflops }) => gflops), slowest * x[0], highest];
  return { x, y: extentOf(ys, ROOM) };
}

/** Degrees at which reads rise. */
function steepness({ x, y }: Extent, width: number): number {
  const wide = (width - MARGIN.left - MARGIN.right) / Math.log(x[1] / x[0]);
  const high = (HEIGHT - MARGIN.top - MARGIN.bottom) / Math.log(y[1] / y[0]);
  return Math.atan2(high, wide) * 180 / Math.PI;
}

/** From the left or the bottom up to the highest peak. */
function readLines({ reads, peaks }: RooflineData, { x, y }: Extent): Line[] {
  const highest = Math.max(...peaks.map(({ gflops }) => gflops));
  return reads.map(({ name, gbps }) => {
    const x1 = Math.max(x[0], y[0] / gbps);
    const x2 = Math.min(x[1], highest / gbps);
    const text = `${name}: ${shortNumber(gbps)} GB/s`;
    return { name: text, x1, y1: gbps * x1, x2, y2: gbps * x2 };
  });
}

/** From the steepest read to the right. */
function peakLines({ reads, peaks }: RooflineData, { x }: Extent): Line[] {
  const steepest = Math.max(...reads.map(({ gbps }) => gbps));
  return peaks.map(({ name, gflops }) => {
    const x1 = Math.min(x[1], Math.max(x[0], gflops / steepest));
    const text = `${name}: ${shortNumber(gflops)} GFLOP/s`;
    return { name: text, x1, y1: gflops, x2: x[1], y2: gflops };
  });
}

/** The shares that a series reaches, for the legend. */
function legendFacts({ points, low, high }: Look): string {
  const count = points.length === 1 ? "1 shape" : `${points.length} shapes`;
  return `: ${fromTo(low, high, percentText)} of the ceiling, ${count}`;
}
