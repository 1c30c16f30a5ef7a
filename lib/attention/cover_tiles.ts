/**
 * Chosen columns and diagonals as tiles and single keys, by MInference's conversion: around the 64 keys that a diagonal
 * touches in 64 rows stands one tile, at any key; tiles that touch grow together by whole tiles; columns outside of them are
 * single keys. What it holds is a superset of the plan, no key twice. Every query sees its own key, whatever was chosen, so
 * that columns among a tile's own rows need no mask.
 */
import { TILE_CAUSAL, TILE_FULL, type TilePlan } from "../../ffi/backend.ts";

/** Rows of a row tile, and keys of a tile. */
const TILE = 64;

/** The tiles and columns of one row tile after the other. */
interface Lists {
  readonly rowPtr: number[];
  readonly keyStart: number[];
  readonly kind: number[];
  readonly colPtr: number[];
  readonly columns: number[];
}

/**
 * The executable of columns `vertical` and distances `slash`, both rising, for queries `qStart .. qStart+qLen-1`. The last row
 * tile of a chunk may be short: its tiles lie as if it were whole, and those that begin behind its last row are left out.
 */
export function coverTiles(
  vertical: readonly number[],
  slash: readonly number[],
  qStart: number,
  qLen: number,
): TilePlan {
  const lists: Lists = { rowPtr: [0], keyStart: [], kind: [], colPtr: [0], columns: [] };
  const far = Int32Array.from(slash[0] === 0 ? slash : [0, ...slash]).reverse();
  for (let first = qStart; first < qStart + qLen; first += TILE) {
    addRow(lists, vertical, far, first, Math.min(first + TILE, qStart + qLen));
    lists.rowPtr.push(lists.keyStart.length);
    lists.colPtr.push(lists.columns.length);
  }
  return {
    tileQ: TILE,
    tileK: TILE,
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
    const start = Math.max(end - far[d]!, TILE) - TILE;
    let stop = start + TILE;
    for (d++; d < far.length; d++) {
      const other = Math.max(end - far[d]!, TILE);
      if (other > stop + TILE) break;
      if (other > stop) stop += TILE;
    }
    while (column < vertical.length && vertical[column]! < start) {
      lists.columns.push(vertical[column++]!);
    }
    while (column < vertical.length && vertical[column]! < stop) column++;
    addTiles(lists, start, Math.min(stop, last), first);
  }
}

function addTiles(lists: Lists, start: number, stop: number, first: number): void {
  for (let key = start; key < stop; key += TILE) {
    lists.keyStart.push(key);
    lists.kind.push(key + TILE - 1 <= first ? TILE_FULL : TILE_CAUSAL);
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
