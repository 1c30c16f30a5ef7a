/** Kept mass against tile share as SVG. */
import { chart, type Plot } from "../draw/chart.ts";
import { planeOf } from "../draw/plane.ts";
import { decadeTicks, tickMarks } from "../draw/log_axis.ts";
import { missedAxis } from "../draw/missed_axis.ts";
import { missedMarks, TARGET } from "../draw/missed_marks.ts";
import { percentText } from "../draw/number_text.ts";
import { type SeriesLook, seriesLook } from "../draw/series.ts";
import { seriesSheet } from "../draw/series_sheet.ts";
import type { Picture } from "../figure.ts";
import type { BudgetPoint, BudgetSeries } from "./budget_points.ts";

/** Budgets and how they are to be drawn. */
export interface BudgetDrawing {
  /** The methods. */
  readonly series: readonly BudgetSeries[];
  /** Mass that is wanted. */
  readonly target: number;
  /** What is said of a method. */
  readonly factOf: (series: BudgetSeries) => string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

type Look = BudgetSeries & SeriesLook;

const HEIGHT = 320;
const MARGIN = { top: 20, right: 22, bottom: 36, left: 46 };
const AXES = {
  x: {
    label: "computed tiles, of those of dense attention",
    labelAnchor: "center",
    text: percentText,
  },
  y: { label: "kept attention", labelAnchor: "top" },
} as const;
/** Room beside the outermost points, as a factor. */
const ROOM = 1.25;

/** Draws the plane and its legend. */
export async function drawBudgets(drawing: BudgetDrawing): Promise<Picture> {
  const { series, factOf, facts, title, width } = drawing;
  const looks = series.map((one, i): Look => ({ ...one, ...seriesLook(i) }));
  const plane = await drawPlane(drawing, looks);
  const legend = looks.map((look) => ({ ...look, facts: `: ${factOf(look)}` }));
  const said = ["symbol: mean over heads", "small dot: 5 % of the heads keep less", ...facts];
  return { svg: await seriesSheet({ title, plane, legend, facts: said, width }) };
}

function drawPlane({ target, width }: BudgetDrawing, looks: readonly Look[]): Promise<string> {
  const points = looks.flatMap(({ points }) => points);
  const shares = points.map(({ tileShare }) => tileShare);
  const x = [Math.min(0.1, ...shares) / ROOM, Math.max(1, ...shares) * 1.06] as const;
  const { scale, ticks, text } = missedAxis([1 - target, ...points.map(({ low }) => 1 - low)]);
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { type: "log", domain: x, axis: null },
    y: scale,
    marks: [
      ...tickMarks(plot, "x", { ...AXES.x, ticks: decadeTicks(x) }),
      ...tickMarks(plot, "y", { ...AXES.y, ticks, text }),
      plot.ruleY([1 - target], TARGET),
      ...looks.flatMap((look) => marksOf(plot, look)),
      ...denseMarks(plot),
    ],
  }));
}

function marksOf(plot: Plot, look: Look) {
  return missedMarks(plot, look, {
    points: look.points,
    x: "tileShare",
    mean: ({ mean }) => mean,
    low: ({ low }) => low,
    title: titleOf,
  });
}

function titleOf({ method, budget, mean, low, tileShare, trials }: BudgetPoint): string {
  const name = budget === "" ? method : `${method}, ${budget}`;
  const kept = `mean ${percentText(mean)}, 5 % of ${trials} heads below ${percentText(low)}`;
  return `${name}\n${kept}\n${percentText(tileShare)} of the tiles`;
}

function denseMarks(plot: Plot) {
  const dense = [{ x: 1, y: 0 }];
  const at = { x: "x", y: "y" };
  return [
    plot.dot(dense, { ...at, r: 4.5, stroke: "currentColor", fill: "none", strokeWidth: 1.5 }),
    plot.text(dense, { ...at, text: () => "dense", dy: -10, textAnchor: "middle" }),
  ];
}
