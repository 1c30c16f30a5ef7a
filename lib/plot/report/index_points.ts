/** What indexes found and what it cost, from searches of heads. */
import { meanOf } from "../draw/averages.ts";
import { AMOUNT, checkKnown, SHARE, SOME } from "../draw/known.ts";
import { lengthText } from "../draw/length_text.ts";

/** How an index did for the queries of one head. */
export interface IndexReportRow {
  /** Kind of index; its points have one colour and symbol. */
  readonly index: string;
  /** What it was told, such as its search width: rows of one index with different ones are points of one line. */
  readonly parameter: string | number;
  /** Keys there were. */
  readonly tokens: number;
  /**
   * Layer of the head.
   * @default not told
   */
  readonly layer?: number;
  /**
   * Query head.
   * @default not told
   */
  readonly head?: number;
  /** Share of the exact top k that was found, 0 to 1; `NaN` where it is not known. */
  readonly recall: number;
  /** Attention on the found keys over that on the exact top k, 0 to 1; `NaN` where it is not known. */
  readonly mass: number;
  /** Scores that were computed to select, over the keys; above 1 where more than a score a key is computed. */
  readonly scannedShare: number;
  /** Milliseconds of a search for one query; `NaN` where they are not known. */
  readonly searchMs: number;
  /** Milliseconds in which the index was built; `NaN` where they are not known. */
  readonly buildMs: number;
  /** Bytes of the index; `NaN` where they are not known. */
  readonly bytes: number;
}

/** All heads with one parameter of an index. */
export interface IndexPoint {
  /** The series it is of. */
  readonly name: string;
  /** The parameter. */
  readonly parameter: string;
  /** Mean share of the keys that was scanned. */
  readonly scannedShare: number;
  /** Mean recall. */
  readonly recall: number;
  /** Recall of the head with the least. */
  readonly leastRecall: number;
  /** That head; empty where it is not told. */
  readonly leastHead: string;
  /** Mean mass. */
  readonly mass: number;
  /** Mass of the head with the least. */
  readonly leastMass: number;
  /** Mean milliseconds of a search; `NaN` where none is known. */
  readonly searchMs: number;
  /** Mean milliseconds of building; `NaN` where none is known. */
  readonly buildMs: number;
  /** Mean bytes; `NaN` where none is known. */
  readonly bytes: number;
  /** Heads. */
  readonly heads: number;
}

/** Points of one index, by rising share of the keys. */
export interface IndexSeries {
  /** Its kind, and its length where there are several. */
  readonly name: string;
  /** Its points. */
  readonly points: readonly IndexPoint[];
}

/** What can be drawn, and what cannot. */
export interface IndexPoints {
  /** A series an index, in the order in which they first occur. */
  readonly series: readonly IndexSeries[];
  /** Lengths that occur, rising. */
  readonly lengths: readonly number[];
  /** Rows of which recall, mass or scanned share is not known. */
  readonly unknown: number;
}

/** What an index is wanted to reach. */
export interface IndexTargets {
  /**
   * Mean recall, 0 to 1.
   * @default none
   */
  readonly recall?: number;
  /**
   * Mean kept mass, 0 to 1.
   * @default none
   */
  readonly mass?: number;
}

/** The point of an index that is told. */
export interface ChosenPoint {
  /** The cheapest that meets the targets, or that of the best recall. */
  readonly point: IndexPoint;
  /** Whether it meets them. */
  readonly isEnough: boolean;
}

/** More indexes or parameters of one than this are taken for a mistake. */
const MOST = { series: 56, points: 64 };
const RULES = {
  ...{ recall: SHARE, mass: SHARE },
  ...{ scannedShare: SOME, searchMs: SOME },
  ...{ buildMs: AMOUNT, bytes: AMOUNT },
};

/**
 * Means and least heads over rows of the same index, length and parameter. Rows of which recall, mass or scanned share is
 * `NaN` are left out and counted.
 *
 * @throws {RangeError} when there are none, too many indexes or parameters, or a number is out of range
 */
export function indexPoints(rows: readonly IndexReportRow[]): IndexPoints {
  if (rows.length === 0) throw wrong("rows must be >= 1", 0);
  rows.forEach(checkRow);
  const known = rows.filter((row) => !Number.isNaN(row.recall + row.mass + row.scannedShare));
  const lengths = [...new Set(known.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const nameOf = ({ index, tokens }: IndexReportRow) =>
    lengths.length > 1 ? `${index}, ${lengthText(tokens)}` : index;
  const series = [...Map.groupBy(known, nameOf)]
    .map(([name, own]) => ({ name, points: pointsOf(name, own) }));
  checkMost("indexes", series.length, MOST.series);
  series.forEach(({ name, points }) =>
    checkMost(`parameters of ${name}`, points.length, MOST.points)
  );
  return { series, lengths, unknown: rows.length - known.length };
}

/** The point with the fewest scanned keys that meets all targets; that of the best recall where none does. */
export function chosenPoint({ points }: IndexSeries, targets: IndexTargets): ChosenPoint {
  const { recall = 0, mass = 0 } = targets;
  const isWanted = targets.recall !== undefined || targets.mass !== undefined;
  const enough = points.find((point) => isWanted && point.recall >= recall && point.mass >= mass);
  const best = points.reduce((a, b) => b.recall > a.recall ? b : a);
  return { point: enough ?? best, isEnough: enough !== undefined };
}

function pointsOf(name: string, own: readonly IndexReportRow[]): IndexPoint[] {
  const byParameter = Map.groupBy(own, ({ parameter }) => String(parameter));
  const points = [...byParameter].map(([parameter, heads]) => pointOf(name, parameter, heads));
  return points.sort((a, b) => a.scannedShare - b.scannedShare);
}

function pointOf(name: string, parameter: string, rows: readonly IndexReportRow[]): IndexPoint {
  const least = rows.reduce((a, b) => b.recall < a.recall ? b : a);
  return {
    name,
    parameter,
    scannedShare: meanOf(rows.map(({ scannedShare }) => scannedShare)),
    recall: meanOf(rows.map(({ recall }) => recall)),
    leastRecall: least.recall,
    leastHead: headName(least),
    mass: meanOf(rows.map(({ mass }) => mass)),
    leastMass: Math.min(...rows.map(({ mass }) => mass)),
    searchMs: knownMean(rows, "searchMs"),
    buildMs: knownMean(rows, "buildMs"),
    bytes: knownMean(rows, "bytes"),
    heads: rows.length,
  };
}

function headName({ layer, head }: IndexReportRow): string {
  const parts = [
    ...(layer === undefined ? [] : [`layer ${layer}`]),
    ...(head === undefined ? [] : [`head ${head}`]),
  ];
  return parts.join(", ");
}

function knownMean(
  rows: readonly IndexReportRow[],
  name: "searchMs" | "buildMs" | "bytes",
): number {
  return meanOf(rows.map((row) => row[name]).filter((value) => !Number.isNaN(value)));
}

function checkRow(row: IndexReportRow): void {
  const { index, tokens } = row;
  checkKnown(row, RULES, (name, rule, value) => wrong(`${name} of ${index} ${rule}`, value));
  if (!(Number.isSafeInteger(tokens) && tokens > 0)) {
    throw wrong(`tokens of ${index} must be a whole number >= 1`, tokens);
  }
}

function checkMost(name: string, count: number, most: number): void {
  if (count > most) throw wrong(`${name} must be <= ${most}`, count);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw indexes as ${rule}: current value is ${value}`);
}
