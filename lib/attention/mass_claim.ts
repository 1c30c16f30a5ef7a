/** What is known of the attention that a plan keeps, as data beside the plan. */
import { tInterval } from "./t_interval.ts";

/** What a method says about a plan that it has chosen for the rows of a chunk. */
export interface MassClaim {
  /**
   * How the mass is known. `certified`: every key is kept, or every row was looked at. `estimated`: some rows were looked at,
   * drawn among all of the chunk. `carried`: an estimate of an earlier chunk, whose plan goes on; of this chunk nothing is known.
   */
  readonly kind: "certified" | "estimated" | "carried";
  /** Attention that the plan keeps, a row on average. */
  readonly mass: number;
  /** Lower end of the 95 % interval of `mass`. */
  readonly low: number;
  /** Its upper end. */
  readonly high: number;
  /** Rows that `mass` was measured on; 0 where it needs no rows. */
  readonly rows: number;
  /** First row of the chunk that was looked at, or that is known without looking. */
  readonly from: number;
  /** Tile area of the plan in this chunk, over that of dense attention; estimates not included. */
  readonly tileShare: number;
  /**
   * Why the plan was chosen. `cheapest`: of those that keep enough. `no gain`: none that keeps enough is cheaper than dense by
   * far enough. `not looked`: looking would have cost too much so far. `window`: the model itself limits what the layer sees.
   */
  readonly why: "cheapest" | "no gain" | "not looked" | "window";
}

/** What is known of a dense plan. */
export function denseClaim(why: MassClaim["why"], from: number): MassClaim {
  return { kind: "certified", mass: 1, low: 1, high: 1, rows: 0, from, tileShare: 1, why };
}

/** Numbers of a claim by what groups of rows keep. */
export type MeasuredMass = Pick<MassClaim, "kind" | "mass" | "low" | "high" | "rows" | "from">;

/** What a group of rows keeps. */
export interface GroupMass {
  /** Rows of the group. */
  readonly rows: number;
  /** What they keep on average. */
  readonly mass: number;
}

/** What a group that was not drawn may lose. */
const UNSEEN = 0.1;
/** Sums of f32 may be off by so much. */
const ROUNDING = 1e-5;

/** The mass of a chunk all of whose groups were looked at; below it by what rounding may add. */
export function certifiedMass(groups: readonly GroupMass[], from: number): MeasuredMass {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  const mean = groups.reduce((sum, group) => sum + group.mass * group.rows, 0) / rows;
  const mass = Math.max(0, mean - ROUNDING);
  return { kind: "certified", mass, low: mass, high: Math.min(1, mean + ROUNDING), rows, from };
}

/** Groups of rows that were drawn alike. */
export interface DrawnMasses {
  /** Those that a plan was fitted to. */
  readonly fit: readonly GroupMass[];
  /** Those that checked it. */
  readonly check: readonly GroupMass[];
  /** All groups of the chunk. */
  readonly population: number;
}

/**
 * The mass of a chunk by some of its groups: the mean of those that checked the plan, with Student's interval by their spread
 * or by that of the fitted ones, whichever is wider. It is narrower the larger a part of the chunk was drawn, and wider for the `tries`
 * plans that were compared (Bonferroni). What heads lose is mostly lost by few rows, which few draws miss; so the lower end is moved
 * down as if one more group had been drawn that loses `UNSEEN`. That is a rule by experience and no proof: where rare rows lose more,
 * the mass may lie below.
 */
export function estimatedMass(
  { fit, check, population }: DrawnMasses,
  tries: number,
  from: number,
): MeasuredMass {
  const rows = check.reduce((sum, group) => sum + group.rows, 0);
  const [tried, fitted] = [check, fit].map((groups) =>
    tInterval(groups.map(({ mass }) => mass), 0.05 / tries)
  );
  const { mean } = tried!;
  const unseen = Math.sqrt(1 - check.length / population);
  const reach = Math.max(tried!.half, fitted!.half) * unseen + ROUNDING;
  const missed = UNSEEN / (check.length + 1) * unseen;
  const [low, high] = [Math.max(0, mean - reach - missed), Math.min(1, mean + reach)];
  return { kind: "estimated", mass: Math.min(1, mean), low, high, rows, from };
}
