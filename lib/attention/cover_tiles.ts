/**
 * Chosen columns and diagonals as tiles and single keys: whatever holds the 64 keys that a diagonal touches in 64 rows;
 * columns outside of it are single keys. By MInference's conversion (`tiles`) one tile of 64 keys stands around them, at any
 * key, and tiles that touch grow together by whole tiles. Otherwise (`blocks`) it is the blocks of 32 keys that they lie in,
 * counted from key 0, as CPU kernels multiply such blocks and would compute those that a tile touches anyhow. What it holds is
 * a superset of the plan, no key twice. Every query sees its own key, whatever was chosen, so that columns among a tile's own
 * rows need no mask.
 */
import { TILE_CAUSAL, TILE_FULL, type TilePlan } from "../../ffi/backend.ts";
import type { SlashCover, VerticalSlashPlan } from "./plan.ts";

/** Rows of a row tile, keys that a diagonal touches there, and keys of a tile of MInference's. */
const TILE = 64;
/** Keys of a block. */
const BLOCK = 32;

/** The tiles and columns of one row tile after the other. */
interface Lists {
  readonly rowPtr: number[];
  readonly keyStart: number[];
  readonly kind: number[];
  readonly colPtr: number[];
  readonly columns: number[];
  /** Keys of a tile. */
  readonly tileK: number;
}

/**
 * The executable of columns `vertical` and distances `slash`, both rising, for queries `qStart .. qStart+qLen-1`. The last row
 * tile of a chunk may be short: its tiles lie as if it were whole, and those that begin behind its last row are left out.
 */
export function coverTiles(
  { vertical, slash }: Pick<VerticalSlashPlan, "vertical" | "slash">,
  cover: SlashCover,
  qStart: number,
  qLen: number,
): TilePlan {
  const tileK = cover === "tiles" ? TILE : BLOCK;
  const lists: Lists = { rowPtr: [0], keyStart: [], kind: [], colPtr: [0], columns: [], tileK };
  const far = Int32Array.from(slash[0] === 0 ? slash : [0, ...slash]).reverse();
  for (let first = qStart; first < qStart + qLen; first += TILE) {
    addRow(lists, vertical, far, first, Math.min(first + TILE, qStart + qLen));
    lists.rowPtr.push(lists.keyStart.length);
    lists.colPtr.push(lists.columns.length);
  }
  return {
    tileQ: TILE,
    tileK,
    rowPtr: Int32Array.from(lists.rowPtr),
    keyStart: Int32Array.from(lists.keyStart),
    kind: Int32Array.from(lists.kind),
    colPtr: Int32Array.from(lists.colPtr),
    columns: Int32Array.from(lists.columns),
    masks: new Int32Array(),
  };
}

/** Tiles and columns of rows `first .. last-1`; `far` has the distances, falling to 0. */
function addRow(
  lists: Lists,
  vertical: readonly number[],
  far: Int32Array,
  first: number,
  last: number,
): void {
  const end = first + TILE;
  let column = 0;
  for (let d = firstWithin(far, end); d < far.length;) {
    const run = lists.tileK === TILE ? tileRun(far, d, end) : blockRun(far, d, end);
    const { start, stop } = run;
    d = run.next;
    while (column < vertical.length && vertical[column]! < start) {
      lists.columns.push(vertical[column++]!);
    }
    while (column < vertical.length && vertical[column]! < stop) column++;
    addTiles(lists, start, Math.min(stop, last), first);
  }
}

/** Keys `start .. stop-1` around distances up to the place `next`. */
interface Run {
  readonly start: number;
  readonly stop: number;
  readonly next: number;
}

function tileRun(far: Int32Array, place: number, end: number): Run {
  const start = Math.max(end - far[place]!, TILE) - TILE;
  let [stop, next] = [start + TILE, place + 1];
  for (; next < far.length; next++) {
    const other = Math.max(end - far[next]!, TILE);
    if (other > stop + TILE) break;
    if (other > stop) stop += TILE;
  }
  return { start, stop, next };
}

function blockRun(far: Int32Array, place: number, end: number): Run {
  const firstOf = (d: number) => Math.floor(Math.max(0, end - TILE - d) / BLOCK) * BLOCK;
  const endOf = (d: number) => Math.ceil((end - d) / BLOCK) * BLOCK;
  const start = firstOf(far[place]!);
  let [stop, next] = [endOf(far[place]!), place + 1];
  for (; next < far.length && firstOf(far[next]!) <= stop; next++) stop = endOf(far[next]!);
  return { start, stop, next };
}

function addTiles(lists: Lists, start: number, stop: number, first: number): void {
  const { tileK } = lists;
  for (let key = start; key < stop; key += tileK) {
    lists.keyStart.push(key);
    lists.kind.push(key + tileK - 1 <= first ? TILE_FULL : TILE_CAUSAL);
  }
}

/** Place of the first distance below `end`. */
function firstWithin(far: Int32Array, end: number): number {
  let [low, high] = [0, far.length - 1]; // the last one is 0
  while (low < high) {
    const middle = (low + high) >> 1;
    if (far[middle]! < end) high = middle;
    else low = middle + 1;
  }
  return low;
}
