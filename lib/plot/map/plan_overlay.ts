import { causalPairs, cellPairs, isFuture, type MapGrid, massShare } from "./map_grid.ts";
import { percentText } from "../draw/number_text.ts";

/** A rectangle of computed attention, in tokens. */
export interface PlanTile {
  /** First query and the one after the last. */
  readonly queries: readonly [start: number, end: number];
  /** First key and the one after the last. */
  readonly keys: readonly [start: number, end: number];
}

/** What a sparse plan computes. Give `mask` or `tiles`. */
export interface PlanOverlay {
  /** Share of each cell of the map that is computed, `[rows, columns]`; true is 1. */
  readonly mask?: ArrayLike<number | boolean>;
  /** Rectangles that do not overlap; what is behind a query does not count. */
  readonly tiles?: readonly PlanTile[];
  /**
   * Mean mass a query loses, where it is known.
   * @default counted from the map; cells that are computed in part lose in proportion to the rest
   */
  readonly missed?: number;
  /**
   * Cells are hatched when their queries miss more than this mass there, on average.
   * @default 0.01
   */
  readonly tau?: number;
  /**
   * How it shows: "outline" draws a line around what is computed, "dim" lets the rest fade.
   * @default "outline"
   */
  readonly look?: PlanLook;
  /**
   * What it computes, for the caption, such as "12 % of the tiles".
   * @default nothing is said
   */
  readonly computes?: string;
}

/** How what a plan computes is told from the rest: a line around it, or the rest fades. */
export type PlanLook = "outline" | "dim";

/** What a plan computes of a map. */
export interface Coverage {
  /** Share of each cell that is computed, `[queries.bins, keys.bins]`. */
  readonly shares: Float64Array;
  /** 1 where more than `tau` is missed. */
  readonly hatched: Uint8Array;
  /** Mean mass that a query loses. */
  readonly missed: number;
  /** How it shows. */
  readonly look: PlanLook;
  /** What the caption says. */
  readonly facts: readonly string[];
}

/**
 * Computes how much of a map a plan covers.
 *
 * @throws {TypeError} for a mask of another shape, or neither mask nor tiles
 */
export function coverageOf(grid: MapGrid, plan: PlanOverlay): Coverage {
  const { tau = 0.01, look = "outline", computes = "" } = plan;
  const shares = sharesOf(grid, plan);
  const lost = (cell: number) => 1 - shares[cell]!;
  const hatched = Uint8Array.from(shares, (_, cell) => lost(cell) * grid.mean[cell]! > tau ? 1 : 0);
  const missed = plan.missed ??
    massShare(grid, (row, column) => lost(row * grid.keys.bins + column));
  const isEstimate = plan.missed === undefined && shares.some((share) => share > 0 && share < 1);
  const how = isEstimate ? " (cells computed in part count by area)" : "";
  const facts = [
    ...(computes === "" ? [] : [`plan: computes ${computes}`]),
    `plan: misses ${percentText(missed)} of the mass${how}`,
    `hatched: more than ${percentText(tau)} missed in a cell`,
    ...(look === "dim" ? ["faded: not computed"] : []),
  ];
  return { shares, hatched, missed, look, facts };
}

function sharesOf(grid: MapGrid, { mask, tiles }: PlanOverlay): Float64Array {
  if (tiles) return sharesOfTiles(grid, tiles);
  if (mask) return sharesOfMask(grid, mask);
  throw new TypeError("Cannot draw the plan as it must have a mask or tiles");
}

function sharesOfMask({ queries, keys }: MapGrid, mask: ArrayLike<number | boolean>): Float64Array {
  if (mask.length !== queries.bins * keys.bins) {
    throw new TypeError(
      `Cannot draw the plan as mask must hold ${queries.bins} x ${keys.bins} cells: current value is ${mask.length}`,
    );
  }
  return Float64Array.from(mask, Number);
}

/** Computed query-key pairs of each cell over those the causal half has. */
function sharesOfTiles(grid: MapGrid, tiles: readonly PlanTile[]): Float64Array {
  const { queries, keys } = grid;
  const area = new Float64Array(queries.bins * keys.bins);
  for (const tile of tiles) addTile(grid, tile, area);
  return area.map((pairs, cell) => {
    const [row, column] = [Math.floor(cell / keys.bins), cell % keys.bins];
    if (isFuture(grid, row, column)) return 0;
    return Math.min(1, pairs / cellPairs(grid, row, column));
  });
}

function addTile(grid: MapGrid, tile: PlanTile, area: Float64Array): void {
  const { queries, keys, firstQuery } = grid;
  const [q0, q1] = clipped(tile.queries, firstQuery, firstQuery + queries.tokens);
  const [k0, k1] = clipped(tile.keys, 0, keys.tokens);
  if (q0 >= q1 || k0 >= k1) return;
  const lastRow = queries.binOf(q1 - 1 - firstQuery);
  const lastColumn = keys.binOf(k1 - 1);
  for (let row = queries.binOf(q0 - firstQuery); row <= lastRow; row++) {
    const rows = clipped(
      [q0, q1],
      firstQuery + queries.firstOf(row),
      firstQuery + queries.firstOf(row + 1),
    );
    for (let column = keys.binOf(k0); column <= lastColumn; column++) {
      const columns = clipped([k0, k1], keys.firstOf(column), keys.firstOf(column + 1));
      area[row * keys.bins + column]! += causalPairs(rows, columns);
    }
  }
}

function clipped(
  [start, end]: readonly [number, number],
  low: number,
  high: number,
): [number, number] {
  return [Math.max(start, low), Math.min(end, high)];
}
