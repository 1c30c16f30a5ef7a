import { fromTo, percentText } from "./draw/number_text.ts";
import { seriesText } from "./draw/series_text.ts";
import { Figure } from "./figure.ts";
import type { FigureOptions } from "./options.ts";
import {
  checkRoofline,
  type RooflineData,
  type RooflineSeries,
  seriesOf,
} from "./roofline/roofline_data.ts";
import { drawRoofline } from "./roofline/roofline_picture.ts";

export type {
  RooflineData,
  RooflinePeak,
  RooflinePoint,
  RooflineRead,
} from "./roofline/roofline_data.ts";

/**
 * How near kernels come to what a machine can do: each as a point by its arithmetic intensity and its rate, below lines
 * of what can be read and multiplied in that time.
 *
 * @throws {RangeError} when there are no points, no reads or no peaks, or a number is not finite and > 0
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * await plot.roofline({
 *   points: [{ series: "decode", name: "n=16K", intensity: 1, gflops: 20, ceiling: 25 }],
 *   reads: [{ name: "memory", gbps: 25 }],
 *   peaks: [{ name: "avx2", gflops: 200 }],
 * }).svg();
 * ```
 */
export function roofline(data: RooflineData, options: FigureOptions = {}): Figure {
  checkRoofline(data);
  const { width = 640, title = "Kernels under the ceilings of this machine" } = options;
  return new Figure({
    text: seriesText(title, seriesOf(data), factOf),
    draw: (how) => drawRoofline({ data, title, width: how.width ?? width }),
  });
}

function factOf({ points, low, high }: RooflineSeries): string {
  return `${fromTo(low, high, percentText)} of the ceiling (${points.length})`;
}
