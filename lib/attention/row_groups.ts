/** Rows of a chunk whose attention is looked at: groups of neighbours, drawn all over the chunk. */
import type { TilePlan, VerticalSlash } from "../../ffi/backend.ts";
import type { PrefillContext } from "./method.ts";

/** Rows of a group: native estimates of fewer cost as much. */
export const GROUP_ROWS = 8;
/** Rows of a row tile. A group lies in one, so that it sees the keys of a plan of tiles all alike. */
export const ROW_TILE = 64;

/** Groups of a chunk. */
export function groupCount({ qLen }: Pick<PrefillContext, "qLen">): number {
  return Math.ceil(qLen / GROUP_ROWS);
}

/** Numbers of groups: those that plans are fitted to, and others that check them. */
export interface DrawnGroups {
  /** To fit plans to. */
  readonly fit: readonly number[];
  /** To check them. */
  readonly check: readonly number[];
}

/** Draws `count` groups for each of both. The chunk is cut into `count` equal parts; each gives one to both. */
export function drawGroups(population: number, count: number, seed: number): DrawnGroups {
  const random = mulberry(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const fit: number[] = [];
  const check: number[] = [];
  for (let part = 0; part < count; part++) {
    const start = Math.floor(part * population / count);
    const size = Math.floor((part + 1) * population / count) - start;
    const first = below(size);
    fit.push(start + first);
    check.push(start + (first + 1 + below(size - 1)) % size);
  }
  return { fit, check };
}

/** Attention of one head in a group of rows. */
export class RowGroup {
  /** Rows. */
  readonly rows: number;
  /** Place of the first row. */
  readonly first: number;
  /** The row tile that the group lies in. */
  readonly tile: Readonly<{ number: number; first: number; rows: number }>;
  readonly #sums: VerticalSlash;
  readonly #keys: Cumulated;
  #distances: Cumulated | undefined;

  /** Sums of group `number` of a chunk. */
  constructor(
    { qStart, qLen }: Pick<PrefillContext, "qStart" | "qLen">,
    number: number,
    sums: VerticalSlash,
  ) {
    const row = number * GROUP_ROWS;
    const tile = Math.floor(row / ROW_TILE);
    this.rows = Math.min(GROUP_ROWS, qLen - row);
    this.first = qStart + row;
    this.tile = {
      number: tile,
      first: qStart + tile * ROW_TILE,
      rows: Math.min(ROW_TILE, qLen - tile * ROW_TILE),
    };
    this.#sums = sums;
    this.#keys = new Cumulated(sums.vertical);
  }

  /** Keys up to the last row. */
  get length(): number {
    return this.first + this.rows;
  }

  /** Share of the attention that keys `from .. to-1` have. */
  keys(from: number, to: number): number {
    return this.#keys.between(from, to);
  }

  /** Share of the attention that distances `from .. to-1` have. */
  distances(from: number, to: number): number {
    this.#distances ??= new Cumulated(this.#sums.slash);
    return this.#distances.between(from, to);
  }

  /** Share of the attention that a plan of whole tiles and columns keeps; it must be of the group's row tile. */
  kept({ keyStart, tileK, columns }: TilePlan): number {
    let sum = 0;
    for (const start of keyStart) sum += this.keys(start, start + tileK);
    for (const column of columns) sum += this.keys(column, column + 1);
    return sum;
  }

  /** Adds each key's attention, a row on average, to `sums`. */
  addKeys(sums: Float64Array): void {
    const { vertical } = this.#sums;
    for (let key = 0; key < vertical.length; key++) sums[key]! += vertical[key]! / this.rows;
  }

  /** Takes away from `sums` what {@link addKeys} adds of the keys that a plan of whole tiles holds. */
  removeKeys({ keyStart, tileK }: TilePlan, sums: Float64Array): void {
    const { vertical } = this.#sums;
    for (const start of keyStart) {
      const end = Math.min(start + tileK, vertical.length);
      for (let key = start; key < end; key++) sums[key]! -= vertical[key]! / this.rows;
    }
  }
}

/** Sums up to each entry. */
class Cumulated {
  readonly #sums: Float64Array;

  constructor(values: Float32Array) {
    const sums = this.#sums = new Float64Array(values.length + 1);
    let sum = 0;
    for (let x = 0; x < values.length; x++) sums[x + 1] = sum += values[x]!;
  }

  /** Share of the whole that entries `from .. to-1` have; there need not be such entries. */
  between(from: number, to: number): number {
    const last = this.#sums.length - 1;
    const [low, high] = [Math.max(from, 0), Math.min(to, last)];
    return high <= low ? 0 : (this.#sums[high]! - this.#sums[low]!) / this.#sums[last]!;
  }
}

/** Mulberry32: the same draws for the same chunk, whenever it is computed. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
