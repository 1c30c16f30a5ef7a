/** Recall, kept mass and time of indexes as SVG. */
import { beside, stacked } from "../draw/arrange.ts";
import { chart, type Plot } from "../draw/chart.ts";
import { decadeTicks, extentOf, tickMarks } from "../draw/log_axis.ts";
import { missedAxis } from "../draw/missed_axis.ts";
import { missedMarks, TARGET } from "../draw/missed_marks.ts";
import { bytesText, keptText, msText, percentText } from "../draw/number_text.ts";
import { planeOf } from "../draw/plane.ts";
import { type SeriesLook, seriesLook, symbolDots } from "../draw/series.ts";
import { sheet } from "../draw/sheet.ts";
import type { Picture } from "../figure.ts";
import {
  chosenPoint,
  type IndexPoint,
  type IndexSeries,
  type IndexTargets,
} from "./index_points.ts";
import { indexTable, TABLE_WIDTH } from "./index_table.ts";

/** Indexes and how they are to be drawn. */
export interface IndexDrawing {
  /** The indexes. */
  readonly series: readonly IndexSeries[];
  /** What is wanted. */
  readonly targets: IndexTargets;
  /** What recall is called. */
  readonly recallName: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

type Look = IndexSeries & SeriesLook;

/** A measure against scanned keys. */
interface Kept {
  readonly label: string;
  readonly mean: (point: IndexPoint) => number;
  readonly least: (point: IndexPoint) => number;
  readonly target: number | undefined;
}

const HEIGHT = { kept: 260, time: 200 };
const MARGIN = { top: 20, right: 18, bottom: 36, left: 56 };
const SCANNED = {
  label: "scanned, of the keys",
  labelAnchor: "center",
  text: percentText,
} as const;
const TIME = { label: "time of a search", labelAnchor: "top", text: msText } as const;

/** Draws three planes and the table. */
export async function drawIndexes(drawing: IndexDrawing): Promise<Picture> {
  const { series, targets, recallName, facts, title } = drawing;
  const width = Math.max(drawing.width, TABLE_WIDTH);
  const looks = series.map((one, i): Look => ({ ...one, ...seriesLook(i) }));
  const half = Math.floor(width / 2);
  const kept = await Promise.all([
    drawKept(looks, recallOf(recallName, targets.recall), half),
    drawKept(looks, massOf(targets.mass), half),
  ]);
  const times = await drawTimes(looks, { ...drawing, width });
  const lines = looks.map((look) => ({ ...look, chosen: chosenPoint(look, targets) }));
  const body = stacked([beside(kept), times, await indexTable(lines)]);
  const said = [
    "symbol: mean over heads",
    "small dot: the head with the least",
    tableFact(targets),
  ];
  return { svg: await sheet({ title, body, facts: [...said, ...facts], width }) };
}

function tableFact({ recall, mass }: IndexTargets): string {
  const isWanted = recall !== undefined || mass !== undefined;
  return isWanted
    ? "table: fewest scanned keys that meet the targets; *: none do, the best recall"
    : "table: the best recall";
}

function recallOf(label: string, target: number | undefined): Kept {
  return { label, target, mean: ({ recall }) => recall, least: ({ leastRecall }) => leastRecall };
}

function massOf(target: number | undefined): Kept {
  const label = "kept mass, of that of exact search";
  return { label, target, mean: ({ mass }) => mass, least: ({ leastMass }) => leastMass };
}

function drawKept(looks: readonly Look[], kept: Kept, width: number): Promise<string> {
  const { label, least, target } = kept;
  const points = looks.flatMap(({ points }) => points);
  const x = extentOf([0.1, 1, ...points.map(({ scannedShare }) => scannedShare)]);
  const wanted = missedOf(target);
  const { scale, ticks, text } = missedAxis([...wanted, ...points.map((at) => 1 - least(at))]);
  return chart((plot) => ({
    ...planeOf(width, HEIGHT.kept, MARGIN),
    x: { type: "log", domain: x, axis: null },
    y: scale,
    marks: [
      ...tickMarks(plot, "x", { ...SCANNED, ticks: decadeTicks(x) }),
      ...tickMarks(plot, "y", { label, labelAnchor: "top", ticks, text }),
      plot.ruleY(wanted, TARGET),
      ...looks.flatMap((look) => keptMarks(plot, look, kept)),
    ],
  }));
}

function keptMarks(plot: Plot, look: Look, { mean, least }: Kept) {
  const { points } = look;
  return missedMarks(plot, look, { points, x: "scannedShare", mean, low: least, title: titleOf });
}

function titleOf(point: IndexPoint): string {
  const { name, parameter, scannedShare, recall, leastRecall, leastHead, mass, leastMass } = point;
  const head = leastHead === "" ? "" : ` (${leastHead})`;
  return [
    parameter === "" ? name : `${name}, ${parameter}`,
    `${percentText(scannedShare)} of the keys scanned`,
    `recall ${keptText(recall)}, least ${keptText(leastRecall)}${head}`,
    `mass ${keptText(mass)}, least ${keptText(leastMass)}`,
    ...(Number.isNaN(point.searchMs) ? [] : [`${msText(point.searchMs)} a search`]),
    ...(Number.isNaN(point.buildMs) ? [] : [`built in ${msText(point.buildMs)}`]),
    ...(Number.isNaN(point.bytes) ? [] : [bytesText(point.bytes)]),
  ].join("\n");
}

/** Time of a search against recall; what was not timed is left out. */
function drawTimes(
  looks: readonly Look[],
  { targets, recallName, width }: IndexDrawing,
): Promise<string> {
  const timed = looks.map(withTimes);
  const points = timed.flatMap(({ points }) => points);
  const y = extentOf(points.length > 0 ? points.map(({ searchMs }) => searchMs) : [0.1, 1]);
  const wanted = missedOf(targets.recall);
  const { scale, ticks, text } = missedAxis([...wanted, ...points.map(({ recall }) => 1 - recall)]);
  return chart((plot) => ({
    ...planeOf(width, HEIGHT.time, MARGIN),
    x: scale,
    y: { type: "log", domain: y, axis: null },
    marks: [
      ...tickMarks(plot, "x", { label: recallName, labelAnchor: "center", ticks, text }),
      ...tickMarks(plot, "y", { ...TIME, ticks: decadeTicks(y) }),
      plot.ruleX(wanted, TARGET),
      ...timed.flatMap((look) => timeMarks(plot, look)),
    ],
  }));
}

function withTimes(look: Look): Look {
  return { ...look, points: look.points.filter(({ searchMs }) => !Number.isNaN(searchMs)) };
}

/** What may be missing of what is wanted. */
function missedOf(target: number | undefined): number[] {
  return target === undefined ? [] : [1 - target];
}

function timeMarks(plot: Plot, look: Look) {
  const at = { x: ({ recall }: IndexPoint) => 1 - recall, y: "searchMs" };
  return [
    plot.line(look.points, { ...at, stroke: look.colour, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    symbolDots(plot, look, look.points, { ...at, title: titleOf }),
  ];
}
