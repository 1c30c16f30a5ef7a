/**
 * Executable plans: what a kernel runs, whatever the method that asked for it.
 *
 * `lower()` in `lib/attention` makes them; every backend executes them.
 */

/** Every row of the row tile sees every key of the tile. */
export const TILE_FULL = 0;
/** A row sees the keys of the tile that are not after its own position. */
export const TILE_CAUSAL = 1;
/** First masked kind: tile kind `TILE_MASKED + m` uses mask number `m`. */
export const TILE_MASKED = 2;

/**
 * Prefill executable of one head, for query rows `0 .. tokens-1` of a call.
 *
 * Row tile `r` covers rows `r * tileQ ..`; it sees its tiles `rowPtr[r] .. rowPtr[r+1]-1` and its columns
 * `colPtr[r] .. colPtr[r+1]-1`. No key is held twice by a row.
 */
export interface TilePlan {
  /** Rows of a row tile, 1 to 64. */
  readonly tileQ: number;
  /** Keys of a tile, 32 or 64. */
  readonly tileK: number;
  /** First tile of each row tile, and the end: `[rowTiles + 1]`. */
  readonly rowPtr: Int32Array;
  /** First key of each tile, unaligned allowed: `[tiles]`. */
  readonly keyStart: Int32Array;
  /** {@link TILE_FULL}, {@link TILE_CAUSAL} or {@link TILE_MASKED} + mask number: `[tiles]`. */
  readonly kind: Int32Array;
  /** First column of each row tile, and the end: `[rowTiles + 1]`. */
  readonly colPtr: Int32Array;
  /** Single keys that all rows of the row tile see, rising within a row tile. */
  readonly columns: Int32Array;
  /** Row bitmasks `[masks][tileQ][tileK / 32]`: bit `c % 32` of word `c / 32` is key `keyStart + c`. */
  readonly masks: Int32Array;
}

/** Decode executable of one head and one query row: disjoint ranges and single keys. */
export interface KeyPlan {
  /** Pairs start, end (exclusive), rising, not overlapping. */
  readonly ranges: Int32Array;
  /** Single keys outside the ranges, rising. */
  readonly indices: Int32Array;
}
