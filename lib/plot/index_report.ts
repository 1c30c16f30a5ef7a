import { lengthText } from "./draw/length_text.ts";
import { bytesText, keptText, msText, percentText } from "./draw/number_text.ts";
import { headsFact, seriesText, unknownFacts } from "./draw/series_text.ts";
import { Figure } from "./figure.ts";
import type { FigureOptions } from "./options.ts";
import {
  chosenPoint,
  type IndexPoint,
  type IndexPoints,
  indexPoints,
  type IndexReportRow,
  type IndexSeries,
  type IndexTargets,
} from "./report/index_points.ts";
import { drawIndexes } from "./report/index_picture.ts";

export type { IndexReportRow, IndexTargets } from "./report/index_points.ts";

/** Options of {@link indexReport}. */
export interface IndexReportOptions extends FigureOptions {
  /**
   * What is wanted: lines, and the cheapest parameter that meets all of it is told of each index.
   * @default recall 0.95 and mass 0.97
   */
  readonly targets?: IndexTargets;
  /**
   * How many exact keys the recall is of.
   * @default not told
   */
  readonly topK?: number;
}

/**
 * Is an index good and fast enough? Recall and kept mass against the share of the keys that was scanned, and the time of a
 * search against recall: a symbol for the mean over heads of each parameter, and by a thin line down to it a dot for the
 * head with the least.
 *
 * @throws {RangeError} when there are no rows, too many indexes or parameters, or a number is out of range
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const shared = { tokens: 16_384, layer: 2, head: 1, buildMs: 420, bytes: 3.1e6 };
 * await plot.indexReport([
 *   { ...shared, index: "graph", parameter: 100, recall: 0.89, mass: 0.98, scannedShare: 0.11, searchMs: 0.07 },
 *   { ...shared, index: "graph", parameter: 200, recall: 0.96, mass: 0.99, scannedShare: 0.18, searchMs: 0.12 },
 * ], { topK: 100 }).svg();
 * ```
 */
export function indexReport(
  rows: readonly IndexReportRow[],
  options: IndexReportOptions = {},
): Figure {
  const { width = 640, targets = { recall: 0.95, mass: 0.97 }, topK } = options;
  const title = options.title ?? "What indexes find for the keys they scan";
  checkTargets(targets);
  const points = indexPoints(rows);
  const recallName = topK === undefined ? "recall" : `recall@${topK}`;
  const factOf = (series: IndexSeries) => indexFact(series, targets, recallName);
  const facts = factsOf(points);
  return new Figure({
    text: seriesText(title, points.series, factOf, facts),
    draw: (how) =>
      drawIndexes({ ...points, targets, recallName, facts, title, width: how.width ?? width }),
  });
}

/** The cheapest parameter that meets the targets, or the best recall. */
function indexFact(series: IndexSeries, targets: IndexTargets, recallName: string): string {
  const { point, isEnough } = chosenPoint(series, targets);
  const { recall, leastRecall, mass, scannedShare } = point;
  return `${recallName} ${isEnough ? "" : "at most "}${keptText(recall)} (least ${
    keptText(leastRecall)
  }), mass ${keptText(mass)} at ${percentText(scannedShare)} scanned${costText(point)}`;
}

function costText({ searchMs, buildMs, bytes }: IndexPoint): string {
  const search = Number.isNaN(searchMs) ? "" : `, ${msText(searchMs)}`;
  const built = [
    ...(buildMs > 0 ? [msText(buildMs)] : []),
    ...(bytes > 0 ? [bytesText(bytes)] : []),
  ];
  return built.length === 0 ? search : `${search}; build ${built.join(", ")}`;
}

function factsOf({ series, lengths, unknown }: IndexPoints): string[] {
  const heads = series.flatMap(({ points }) => points.map(({ heads }) => heads));
  const known = heads.length === 0
    ? ["no row is known"]
    : [`${lengths.map(lengthText).join(", ")} keys`, headsFact(heads)];
  return [...known, ...unknownFacts(unknown, "rows")];
}

function checkTargets(targets: IndexTargets): void {
  for (const name of ["recall", "mass"] as const) {
    const target = targets[name];
    if (target === undefined || (target >= 0 && target <= 1)) continue;
    throw new RangeError(
      `Cannot draw indexes as the target of ${name} must be 0 .. 1: current value is ${target}`,
    );
  }
}
