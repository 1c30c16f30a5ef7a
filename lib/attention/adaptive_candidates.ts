/** Plans that keep enough of the attention of some groups of rows, from narrow to wide, for `adaptive()` to choose among. */
import { topIndices } from "../retrieval/top_indices.ts";
import { coverTiles } from "./cover_tiles.ts";
import { lower } from "./lower.ts";
import type { BlockScores, PrefillContext } from "./method.ts";
import type { BlockSparsePlan, DensePlan, StreamingPlan, VerticalSlashPlan } from "./plan.ts";
import { ownBlocks } from "./query_blocks.ts";
import { ROW_TILE, type RowGroup } from "./row_groups.ts";
import { tileArea } from "./tile_area.ts";
import { topShare } from "./top_share.ts";

/** Kinds of plans that are chosen among. */
export type ChosenPlan = DensePlan | StreamingPlan | VerticalSlashPlan | BlockSparsePlan;

/** What is chosen for a head: a plan, or pairs of blocks that reach a share of what their means predict, in each chunk anew. */
export type Choice = ChosenPlan | BlockShare;

/** See {@link Choice}. */
export interface BlockShare {
  /** Tells it from plans. */
  readonly kind: "blockShare";
  /** Share of the predicted attention. */
  readonly share: number;
}

/** A plan that keeps enough of the groups that it was fitted to. */
export interface Candidate {
  /** What would be chosen. */
  readonly choice: Choice;
  /** Tile area in the row tiles of these groups, over that of dense attention. */
  readonly share: number;
  /** Share of the attention of a group's rows that it keeps. */
  readonly kept: (group: RowGroup) => number;
}

/** What candidates are fitted to. */
export interface Fitted {
  /** Groups of rows. */
  readonly groups: readonly RowGroup[];
  /** What they are to keep on average. */
  readonly mass: number;
  /** Tile area that candidates may have, over that of dense attention. */
  readonly most: number;
}

/** Tokens of a block. */
export const BLOCK = 64;
/** First tokens of streaming candidates. */
const SINK = 64;
/** Candidates may lose these parts of what the target leaves: rows that they were not fitted to lose more. */
const MARGINS = [1, 0.5, 0.2];
/** No more diagonals are tried once they alone compute so much more than a candidate that was found. */
const ENOUGH = 2;
/** Shares of the predicted attention that pairs of blocks are tried with. */
const SHARES = [0.8, 0.9, 0.95, 0.98, 0.995];

/** Tile area of dense attention. */
export function denseArea(qStart: number, qLen: number): number {
  let tiles = 0;
  for (let row = 0; row < qLen; row += ROW_TILE) {
    tiles += Math.ceil((qStart + Math.min(row + ROW_TILE, qLen)) / BLOCK);
  }
  return tiles * ROW_TILE * BLOCK;
}

/** Tile area of a plan. */
export function areaOf(plan: ChosenPlan, { qStart, qLen, kvLength }: PrefillContext): number {
  if (plan.kind !== "blockSparse") return tileArea(lower(plan, qStart, qLen, kvLength));
  return plan.blocks.reduce((sum, { length }) => sum + length * BLOCK * ROW_TILE, 0);
}

/** The narrowest window that keeps enough beside the first tokens, and the next wider one. */
export function streamingCandidates(fitted: Fitted): Candidate[] {
  const longest = Math.max(...fitted.groups.map(({ length }) => length));
  const found: Candidate[] = [];
  for (let window = BLOCK; window < longest && found.length < 2; window *= 2) {
    const kept = (group: RowGroup) => keptByStreaming(window, group);
    const choice = { kind: "streaming", sink: SINK, window } as const;
    found.push(...accepted(fitted, choice, kept, (group) => streamingArea(window, group)));
  }
  return found;
}

/** The candidate, if it keeps enough of the groups it is fitted to for little enough. */
function accepted(
  { groups, mass, most }: Fitted,
  choice: Choice,
  kept: Candidate["kept"],
  area: (group: RowGroup) => number,
): Candidate[] {
  if (sumOf(groups, kept) < mass * groups.length) return [];
  const share = sumOf(groups, area) / wholeArea(groups);
  return share <= most ? [{ choice, share, kept }] : [];
}

function sumOf(groups: readonly RowGroup[], value: (group: RowGroup) => number): number {
  return groups.reduce((sum, group) => sum + value(group), 0);
}

function wholeArea(groups: readonly RowGroup[]): number {
  return sumOf(groups, ({ tile }) => denseArea(tile.first, tile.rows));
}

/** Where the window of some rows reaches the first tokens, only what all of them see besides is counted. */
function keptByStreaming(window: number, group: RowGroup): number {
  const start = group.first - window + 1;
  const first = group.keys(0, SINK);
  const recent = start >= SINK
    ? group.distances(0, window)
    : group.keys(Math.max(SINK, start + group.rows - 1), group.length);
  return Math.min(1, first + recent);
}

function streamingArea(window: number, { tile: { first, rows } }: RowGroup): number {
  const end = Math.ceil((first + rows) / BLOCK);
  const start = Math.floor(Math.max(first - window + 1, 0) / BLOCK);
  return (end - start + Math.min(start, SINK / BLOCK)) * BLOCK * ROW_TILE;
}

/**
 * Columns and diagonals in tiles. Diagonals come in bands of a tile's width, those with the largest sums first, twice as many
 * each time; then the fewest columns are taken that bring what the groups keep to the target, or above it by the margins.
 */
export function slashCandidates({ groups, mass, most }: Fitted): Candidate[] {
  const bands = bandsBySum(groups);
  const columns = new Float64Array(Math.max(...groups.map(({ length }) => length)));
  for (const group of groups) group.addKeys(columns);
  const found: Candidate[] = [];
  for (let count = 1; count <= bands.length; count *= 2) {
    const slash = distancesOf(bands.slice(0, count));
    const rest = restOf(groups, slash, columns);
    if (rest.share > Math.min(most, ENOUGH * (found[0]?.share ?? Infinity))) break;
    for (const vertical of columnsFor(rest, mass)) {
      const area = groups.length * ROW_TILE * vertical.length;
      const share = rest.share + area / wholeArea(groups);
      if (share > most) break;
      found.push({ ...slashChoice(vertical, slash), share });
    }
  }
  return found;
}

/** What is computed around diagonals. */
const COVER = "blocks";

function slashChoice(vertical: readonly number[], slash: readonly number[]) {
  const choice: ChosenPlan = { kind: "verticalSlash", vertical, slash, cover: COVER };
  const kept = (group: RowGroup) =>
    group.kept(coverTiles({ vertical, slash }, COVER, group.tile.first, group.tile.rows));
  return { choice, kept };
}

/** Bands of distances, the nearest one first, the others by falling sums. */
function bandsBySum(groups: readonly RowGroup[]): number[] {
  const count = Math.ceil(Math.max(...groups.map(({ length }) => length)) / BLOCK);
  const sums = Array.from({ length: count }, (_, band) =>
    groups.reduce(
      (sum, group) => sum + group.distances(band * BLOCK, (band + 1) * BLOCK),
      0,
    ));
  sums[0] = Infinity;
  const order = sums.map((_, band) => band).filter((band) => sums[band]! > 0);
  return order.sort((a, b) => sums[b]! - sums[a]! || a - b);
}

function distancesOf(bands: readonly number[]): number[] {
  const distances: number[] = [];
  for (const band of bands.toSorted((a, b) => a - b)) {
    for (let x = 0; x < BLOCK; x++) distances.push(band * BLOCK + x);
  }
  return distances;
}

/** What diagonals leave. */
interface Rest {
  /** Attention of the columns outside of their tiles, summed over groups. */
  readonly columns: Float32Array;
  /** Number of groups: the attention of all columns. */
  readonly whole: number;
  /** Area of the tiles, over that of dense row tiles. */
  readonly share: number;
}

function restOf(
  groups: readonly RowGroup[],
  slash: readonly number[],
  all: Float64Array,
): Rest {
  const columns = all.slice();
  let area = 0;
  for (const group of groups) {
    const { first, rows } = group.tile;
    const tiles = coverTiles({ vertical: [], slash }, COVER, first, rows);
    area += tileArea(tiles);
    group.removeKeys(tiles, columns);
  }
  const whole = groups.length;
  return { columns: new Float32Array(columns), whole, share: area / wholeArea(groups) };
}

/** The fewest columns that reach the target with each margin; none where it would take nearly all that there are. */
function* columnsFor({ columns, whole }: Rest, mass: number): Generator<number[]> {
  let left = 0;
  for (const value of columns) left += value;
  const rising = valuesAbove(columns, left / columns.length / 4).sort();
  let [count, lost, last] = [0, left, -1];
  for (const margin of MARGINS) {
    const allowed = margin * (1 - mass) * whole;
    while (count < rising.length && lost > allowed) lost -= rising[rising.length - ++count]!;
    if (lost > allowed) return;
    if (count !== last) yield topIndices(columns, count, () => padded(rising, columns.length));
    last = count;
  }
}

function valuesAbove(values: Float32Array, least: number): Float32Array {
  const above = new Float32Array(values.length);
  let count = 0;
  for (let x = 0; x < values.length; x++) {
    if (values[x]! > least) above[count++] = values[x]!;
  }
  return above.subarray(0, count);
}

/** Sorted values with zeros in front, as `topIndices()` looks them up from the end. */
function padded(rising: Float32Array, length: number): Float32Array {
  const all = new Float32Array(length);
  all.set(rising, length - rising.length);
  return all;
}

/** The two narrowest choices of pairs of blocks that keep enough; `scores` are one head's. */
export function blockCandidates(
  fitted: Fitted,
  scores: BlockScores,
  context: PrefillContext,
): Candidate[] {
  const found: Candidate[] = [];
  for (const share of SHARES) {
    const blocksOf = ({ tile }: RowGroup) => chosenBlocks(scores, context, share, tile.number);
    const kept = (group: RowGroup) =>
      blocksOf(group).reduce(
        (sum, block) => sum + group.keys(block * BLOCK, (block + 1) * BLOCK),
        0,
      );
    const area = (group: RowGroup) => blocksOf(group).length * BLOCK * ROW_TILE;
    found.push(...accepted(fitted, { kind: "blockShare", share }, kept, area));
    if (found.length === 2) break;
  }
  return found;
}

/** The plan that reaches a share of what `scores` predict in every row of blocks. */
export function blockPlan(
  scores: BlockScores,
  context: PrefillContext,
  share: number,
): BlockSparsePlan {
  const blocks = Array.from(
    { length: scores.rows },
    (_, row) => chosenBlocks(scores, context, share, row),
  );
  return { kind: "blockSparse", block: BLOCK, from: context.qStart, blocks };
}

function chosenBlocks(
  { scores, columns }: BlockScores,
  context: PrefillContext,
  share: number,
  row: number,
): number[] {
  const { first, last } = ownBlocks(context, BLOCK)[row]!;
  const seen = scores.subarray(row * columns, row * columns + last + 1);
  return topShare(seen, share, { forced: [...new Set([0, first, last])] });
}
