import { attentionMap, type AttentionMapOptions } from "./attention_map.ts";
import { keptText, percentText } from "./draw/number_text.ts";
import type { Figure } from "./figure.ts";
import {
  type AttentionMatrix,
  type MapGrid,
  mapGrid,
  massShare,
  type PooledAttention,
} from "./map/map_grid.ts";
import type { PlanLook } from "./map/plan_overlay.ts";
import { keptShares } from "./pattern/kept_shares.ts";
import { kindName } from "./pattern/kind_name.ts";
import type { PlannedRows, PlanValue } from "./pattern/plan_value.ts";

export type { PlannedRows, PlanValue } from "./pattern/plan_value.ts";

/** Options of {@link patternOverlay}. */
export interface PatternOverlayOptions extends Omit<AttentionMapOptions, "plan"> {
  /**
   * What made the plan, for the title.
   * @default the kinds of the plans
   */
  readonly name?: string;
  /**
   * Share of the attention that the plan keeps, where it was measured.
   * @default counted from the map; cells that are kept in part count by area
   */
  readonly mass?: number;
  /**
   * Tile area that is computed over that of dense attention, where it was measured.
   * @default unknown: the title tells the share of the query-key pairs
   */
  readonly tileShare?: number;
  /**
   * Cells are marked when their queries miss more than this mass there, on average.
   * @default 0.01
   */
  readonly tau?: number;
  /**
   * How it shows: "dim" lets fade what is not kept, "outline" draws a line around what is.
   * @default "dim"
   */
  readonly look?: PlanLook;
}

/**
 * Does a plan keep what a head attends to? The head's attention, what the plan leaves out faded, and mass that is
 * missed marked in orange. Takes one plan, or one for each chunk of a prefill.
 *
 * @throws {TypeError} when the numbers or the tokens do not fill the map
 * @throws {RangeError} when a plan is of an unknown kind, the rows of plans do not rise from the first query on, or a share
 * is out of range
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const values = Float32Array.of(1, 0, 0, 0.6, 0.4, 0, 0.5, 0.2, 0.3);
 * const map = { rows: 3, columns: 3, values };
 * await plot.patternOverlay(map, { kind: "streaming", sink: 1, window: 1 }).svg();
 * ```
 */
export function patternOverlay(
  data: PooledAttention | AttentionMatrix,
  plan: PlanValue | readonly PlannedRows[],
  options: PatternOverlayOptions = {},
): Figure {
  const { bins = 512, look = "dim", tau = 0.01, mass, tileShare, name, ...others } = options;
  checkRange("mass", mass, 1);
  checkRange("tileShare", tileShare, Infinity);
  const grid = mapGrid(data, bins);
  const rows = isRows(plan) ? plan : [{ first: 0, plan }];
  const { shares, pairs } = keptShares(grid, rows);
  const kept = mass ?? keptMass(grid, shares);
  const area = tileShare === undefined
    ? `${percentText(pairs)} of the pairs`
    : `${percentText(tileShare)} of the tiles`;
  const by = name ?? kindName(rows.map(({ plan }) => plan));
  const title = `${grid.title} by ${by}: ${keptText(kept)} of the mass on ${area}`;
  const known = mass === undefined ? {} : { missed: 1 - mass };
  const overlay = { mask: shares, tau, look, computes: area, ...known };
  return attentionMap(data, { title, ...others, bins, plan: overlay });
}

function isRows(plan: PlanValue | readonly PlannedRows[]): plan is readonly PlannedRows[] {
  return Array.isArray(plan);
}

function keptMass(grid: MapGrid, shares: Float64Array): number {
  return 1 - massShare(grid, (row, column) => 1 - shares[row * grid.keys.bins + column]!);
}

function checkRange(name: string, value: number | undefined, most: number): void {
  if (value === undefined || (value >= 0 && value <= most && value < Infinity)) return;
  const wanted = most === 1 ? "0 .. 1" : "a finite number >= 0";
  throw new RangeError(
    `Cannot draw the plan as ${name} must be ${wanted}: current value is ${value}`,
  );
}
