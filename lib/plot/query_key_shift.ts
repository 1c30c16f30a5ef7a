import { Figure } from "./figure.ts";
import { grouped, shortNumber } from "./draw/number_text.ts";
import type { FigureOptions } from "./options.ts";
import { checkShifts, type HeadShift, type ShiftDistances, shiftName } from "./shift/shift_data.ts";
import { drawShifts, mostPoints } from "./shift/shift_picture.ts";

export type { CountedDistances, HeadShift, ShiftDistances } from "./shift/shift_data.ts";
export { measureShift, type ShiftVectors } from "./shift/measure_shift.ts";

/**
 * Why an index that was made for keys fails for queries: they lie elsewhere. For each head the keys as circles and the
 * queries as triangles on two directions, and beside them how far both are from the keys: by Mahalanobis distance, and by
 * distance to the nearest key. {@link measureShift} makes the data.
 *
 * @throws {RangeError} when there are no heads, too many, one occurs twice, or a number is out of range
 * @throws {TypeError} when arrays do not have the lengths that they should
 *
 * @example
 * ```ts
 * import { measureShift, plot, type ShiftVectors } from "@longlens/longlens";
 *
 * function shifts(heads: readonly ShiftVectors[]) {
 *   return plot.queryKeyShift(heads.map(measureShift));
 * }
 * ```
 */
export function queryKeyShift(heads: readonly HeadShift[], options: FigureOptions = {}): Figure {
  const { width = 640, title = "Queries beside the keys they are to find" } = options;
  checkShifts(heads);
  return new Figure({
    text: `${title}: ${heads.map(shiftFact).join("; ")}`,
    draw: (how) =>
      drawShifts({ heads, facts: pointFacts(heads), title, width: how.width ?? width }),
  });
}

function shiftFact(shift: HeadShift): string {
  const { mahalanobis, nearest } = shift;
  return `${shiftName(shift)}: Mahalanobis distance\u00b2/d ${medians(mahalanobis)}, ` +
    `nearest key ${medians(nearest)}`;
}

function medians({ keys, queries }: ShiftDistances): string {
  return `${shortNumber(queries.median)} of queries, ${shortNumber(keys.median)} of keys`;
}

function pointFacts(heads: readonly HeadShift[]): string[] {
  const most = mostPoints(heads.length);
  const counts = (name: "keys" | "queries") => {
    const drawn = heads.map(({ [name]: points }) => Math.min(most, points.length / 2));
    return [...new Set(drawn.map(grouped))].join(" or ");
  };
  return [
    `circles: ${counts("keys")} keys, triangles: ${
      counts("queries")
    } queries, outlined: their means`,
    "both directions in the same units",
    "lines in the histograms: medians",
  ];
}
