import {
  type BudgetPoints,
  budgetPoints,
  type BudgetSeries,
  type BudgetTrial,
} from "./budget/budget_points.ts";
import { drawBudgets } from "./budget/budget_picture.ts";
import { keptText, percentText } from "./draw/number_text.ts";
import { headsFact, seriesText, unknownFacts } from "./draw/series_text.ts";
import { Figure } from "./figure.ts";
import type { FigureOptions } from "./options.ts";

export type { BudgetTrial } from "./budget/budget_points.ts";

/** Options of {@link recallBudget}. */
export interface RecallBudgetOptions extends FigureOptions {
  /**
   * Mass that is wanted: a line, and the cheapest budget that reaches it on average is told of each method.
   * @default 0.95
   */
  readonly target?: number;
}

/**
 * What do methods keep of the attention for what they compute? Kept mass against tile share: for each budget of a method
 * the mean over heads as a symbol, and by a thin line down to the mass that 5 % of the heads stay below. Dense attention
 * is at (1, 1).
 *
 * @throws {RangeError} when there are no trials, too many methods or budgets, or a share is out of range
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * await plot.recallBudget([
 *   { method: "a-shape", budget: 256, mass: 0.71, tileShare: 0.11 },
 *   { method: "a-shape", budget: 1024, mass: 0.88, tileShare: 0.35 },
 * ]).svg();
 * ```
 */
export function recallBudget(
  trials: readonly BudgetTrial[],
  options: RecallBudgetOptions = {},
): Figure {
  const { width = 640, title = "Kept attention against computed tiles", target = 0.95 } = options;
  checkTarget(target);
  const points = budgetPoints(trials);
  const factOf = (series: BudgetSeries) => budgetFact(series, target);
  const facts = factsOf(points);
  return new Figure({
    text: seriesText(title, points.series, factOf, facts),
    draw: (how) =>
      drawBudgets({ ...points, target, factOf, facts, title, width: how.width ?? width }),
  });
}

/** The cheapest budget that reaches the target, or how near a method comes. */
function budgetFact({ points }: BudgetSeries, target: number): string {
  const enough = points.find(({ mean }) => mean >= target);
  const best = points.toSorted((a, b) => b.mean - a.mean)[0]!;
  const { mean, low, tileShare } = enough ?? best;
  const reached = enough ? "keeps" : "keeps at most";
  return `${reached} ${keptText(mean)} (5 % of heads < ${keptText(low)}) on ${
    percentText(tileShare)
  } of the tiles`;
}

function factsOf({ series, unknown }: BudgetPoints): string[] {
  const heads = series.flatMap(({ points }) => points.map(({ trials }) => trials));
  const known = heads.length === 0 ? "no trial is known" : headsFact(heads);
  return [known, ...unknownFacts(unknown, "trials")];
}

function checkTarget(target: number): void {
  if (target >= 0 && target <= 1) return;
  throw new RangeError(
    `Cannot draw budgets as target must be 0 .. 1: current value is ${target}`,
  );
}
