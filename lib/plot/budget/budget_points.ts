/** What methods keep for what they compute, from trials of heads. */
import { meanOf, quantile } from "../draw/averages.ts";
import { AMOUNT, checkKnown, SHARE, SOME } from "../draw/known.ts";

/** How one head did with a method. */
export interface BudgetTrial {
  /** Method; its points have one colour and symbol. */
  readonly method: string;
  /**
   * Its budget; trials of one method with different ones are points of one line.
   * @default methodOptions
   */
  readonly budget?: string | number;
  /**
   * The method's options, which tell budgets apart where none is given.
   * @default ""
   */
  readonly methodOptions?: string;
  /** Share of the attention that was kept, 0 to 1; `NaN` where it is not known. */
  readonly mass: number;
  /** Tile area that was computed over that of dense attention; above 1 where estimates cost more than they save. */
  readonly tileShare: number;
  /**
   * Scores that were computed to plan, over the same; they count as tiles.
   * @default 0
   */
  readonly estimateShare?: number;
}

/** All heads with one budget of a method. */
export interface BudgetPoint {
  /** Its method. */
  readonly method: string;
  /** The budget. */
  readonly budget: string;
  /** Mean share of the tiles, estimates included. */
  readonly tileShare: number;
  /** Mean mass. */
  readonly mean: number;
  /** Mass that 5 % of the heads stay below. */
  readonly low: number;
  /** Trials that are known. */
  readonly trials: number;
}

/** Points of one method, by rising share of the tiles. */
export interface BudgetSeries {
  /** The method. */
  readonly name: string;
  /** Its points. */
  readonly points: readonly BudgetPoint[];
}

/** What can be drawn, and what cannot. */
export interface BudgetPoints {
  /** A series a method, in the order in which they first occur. */
  readonly series: readonly BudgetSeries[];
  /** Trials of which something is not known. */
  readonly unknown: number;
}

/** Share of the heads that stay below the lower value. */
const LOW = 0.05;
/** More methods or budgets of one than this are taken for a mistake. */
const MOST = { series: 64, points: 64 };
const RULES = { mass: SHARE, tileShare: SOME, estimateShare: AMOUNT };

/**
 * Means over trials of the same method and budget. Trials with `NaN` are left out and counted.
 *
 * @throws {RangeError} when there are none, too many methods or budgets, or a share is out of range
 */
export function budgetPoints(trials: readonly BudgetTrial[]): BudgetPoints {
  if (trials.length === 0) throw wrong("trials must be >= 1", 0);
  trials.forEach(checkTrial);
  const known = trials.filter((trial) => !Number.isNaN(trial.mass + areaOf(trial)));
  const byMethod = Map.groupBy(known, ({ method }) => method);
  const series = [...byMethod].map(([name, own]) => {
    const byBudget = Map.groupBy(
      own,
      ({ budget, methodOptions = "" }) => String(budget ?? methodOptions),
    );
    const points = [...byBudget].map(([budget, heads]) => pointOf(name, budget, heads));
    return { name, points: points.sort((a, b) => a.tileShare - b.tileShare) };
  });
  checkMost("methods", series.length, MOST.series);
  series.forEach(({ name, points }) => checkMost(`budgets of ${name}`, points.length, MOST.points));
  return { series, unknown: trials.length - known.length };
}

function pointOf(method: string, budget: string, heads: readonly BudgetTrial[]): BudgetPoint {
  const masses = Float64Array.from(heads, ({ mass }) => mass).sort();
  return {
    method,
    budget,
    tileShare: meanOf(heads.map(areaOf)),
    mean: meanOf(masses),
    low: quantile(masses, LOW),
    trials: heads.length,
  };
}

/** What is computed to plan and to attend. */
function areaOf({ tileShare, estimateShare = 0 }: BudgetTrial): number {
  return tileShare + estimateShare;
}

function checkTrial(trial: BudgetTrial): void {
  checkKnown(
    { estimateShare: 0, ...trial },
    RULES,
    (name, rule, value) => wrong(`${name} of ${trial.method} ${rule}`, value),
  );
}

function checkMost(name: string, count: number, most: number): void {
  if (count > most) throw wrong(`${name} must be <= ${most}`, count);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw budgets as ${rule}: current value is ${value}`);
}
