/** Random executables: every shape that a method may lower to. */
import {
  type KeyPlan,
  TILE_CAUSAL,
  TILE_FULL,
  TILE_MASKED,
  type TilePlan,
} from "../../ffi/backend.ts";
import type { Random } from "../random.ts";

/** Kinds of random tile plans. */
export const TILE_PLAN_KINDS = [
  "dense",
  "unaligned",
  "masked",
  "columns",
  "empty",
  "mixed",
  "aligned",
] as const;

/** One of {@link TILE_PLAN_KINDS}. */
export type TilePlanKind = typeof TILE_PLAN_KINDS[number];

/** Rows and keys of a prefill call. */
export interface Extent {
  /** Rows. */
  readonly tokens: number;
  /** Token of row 0. */
  readonly qStart: number;
  /** Tokens in the cache. */
  readonly kvLength: number;
}

class PlanBuilder {
  readonly rowPtr = [0];
  readonly keyStart: number[] = [];
  readonly kind: number[] = [];
  readonly colPtr = [0];
  readonly columns: number[] = [];
  readonly masks: number[] = [];
  #masks = 0;

  constructor(readonly tileQ: number, readonly tileK: number) {}

  tile(keyStart: number, kind: number): void {
    this.keyStart.push(keyStart);
    this.kind.push(kind);
  }

  masked(keyStart: number, sees: (row: number, c: number) => boolean): void {
    this.tile(keyStart, TILE_MASKED + this.#masks++);
    for (let row = 0; row < this.tileQ; row++) {
      for (let first = 0; first < this.tileK; first += 32) {
        let word = 0;
        for (let c = 0; c < 32; c++) if (sees(row, first + c)) word |= 1 << c;
        this.masks.push(word);
      }
    }
  }

  endRow(): void {
    this.rowPtr.push(this.keyStart.length);
    this.colPtr.push(this.columns.length);
  }

  plan(): TilePlan {
    return {
      tileQ: this.tileQ,
      tileK: this.tileK,
      rowPtr: Int32Array.from(this.rowPtr),
      keyStart: Int32Array.from(this.keyStart),
      kind: Int32Array.from(this.kind),
      colPtr: Int32Array.from(this.colPtr),
      columns: Int32Array.from(this.columns),
      masks: Int32Array.from(this.masks),
    };
  }
}

/** Every key up to the row's own: full tiles, then causal ones. */
export function densePlan({ tokens, qStart }: Extent, tileQ = 64, tileK = 64): TilePlan {
  const builder = new PlanBuilder(tileQ, tileK);
  for (let row = 0; row < tokens; row += tileQ) {
    const first = qStart + row;
    const last = qStart + Math.min(row + tileQ, tokens) - 1;
    for (let key = 0; key <= last; key += tileK) {
      builder.tile(key, key + tileK - 1 <= first ? TILE_FULL : TILE_CAUSAL);
    }
    builder.endRow();
  }
  return builder.plan();
}

/** One masked tile for each 32 or 64 keys, whose bits are `sees(row, key)`. */
export function maskedPlan(
  { tokens, kvLength }: Extent,
  sees: (row: number, key: number) => boolean,
  tileQ = 16,
  tileK = 32,
): TilePlan {
  const builder = new PlanBuilder(tileQ, tileK);
  for (let row = 0; row < tokens; row += tileQ) {
    for (let key = 0; key < kvLength; key += tileK) {
      builder.masked(
        key,
        (i, c) => row + i < tokens && key + c < kvLength && sees(row + i, key + c),
      );
    }
    builder.endRow();
  }
  return builder.plan();
}

/**
 * A random plan: disjoint tiles at any column with gaps between them, single columns in the gaps; always causal.
 * Aligned: at multiples of 32, with gaps of such, where there are past keys full ones.
 */
export function randomTilePlan(random: Random, extent: Extent, kind: TilePlanKind): TilePlan {
  const tileQ = random.pick([1, 7, 16, 32, 64]);
  const tileK = random.pick([32, 64]);
  if (kind === "dense") return densePlan(extent, tileQ, tileK);
  const builder = new PlanBuilder(tileQ, tileK);
  for (let row = 0; row < extent.tokens; row += tileQ) {
    const isEmpty = kind === "empty" && random.chance(0.6);
    if (!isEmpty) fillRow(random, builder, extent, kind, row);
    builder.endRow();
  }
  return builder.plan();
}

function fillRow(
  random: Random,
  builder: PlanBuilder,
  { tokens, qStart, kvLength }: Extent,
  kind: TilePlanKind,
  row: number,
): void {
  const { tileK, tileQ } = builder;
  const first = qStart + row;
  const last = qStart + Math.min(row + tileQ, tokens) - 1;
  const width = kind === "columns" ? 0 : tileK;
  const hasColumns = kind === "columns" || kind === "mixed" || kind === "empty";
  const align = (key: number) => kind === "aligned" ? key - key % 32 : key;
  for (let key = align(random.integer(0, tileK)); key <= last;) {
    if (width > 0) randomTile(random, builder, kind, key, first);
    const next = key + width + align(random.integer(1, 2 * tileK));
    const end = Math.min(next, first + 1, kvLength) - 1;
    if (hasColumns) builder.columns.push(...random.subset(random.integer(0, 9), key + width, end));
    key = next;
  }
}

function randomTile(
  random: Random,
  builder: PlanBuilder,
  kind: TilePlanKind,
  key: number,
  firstRow: number,
): void {
  const { tileK, tileQ } = builder;
  const isPast = key + tileK - 1 <= firstRow;
  if (kind === "aligned") return builder.tile(key, isPast ? TILE_FULL : TILE_CAUSAL);
  if (kind === "masked" || (kind !== "unaligned" && random.chance(0.3))) {
    const bits = Array.from({ length: tileQ * tileK }, () => random.chance(0.5));
    return builder.masked(key, (i, c) => key + c <= firstRow + i && bits[i * tileK + c]!);
  }
  builder.tile(key, isPast && random.chance(0.8) ? TILE_FULL : TILE_CAUSAL);
}

/** Random disjoint ranges and single keys below `kvLength`; sometimes one of the two or both are empty. */
export function randomKeyPlan(random: Random, kvLength: number): KeyPlan {
  if (random.chance(0.1)) return { ranges: new Int32Array(), indices: new Int32Array() };
  if (random.chance(0.2)) return fullKeyPlan(kvLength);
  const cuts = random.subset(2 * random.integer(0, 3), 0, kvLength);
  const ranges = Int32Array.from(cuts.slice(0, cuts.length & ~1));
  const isFree = (key: number) => {
    for (let i = 0; i < ranges.length; i += 2) {
      if (key >= ranges[i]! && key < ranges[i + 1]!) return false;
    }
    return true;
  };
  const singles = random.subset(random.integer(0, 40), 0, kvLength - 1).filter(isFree);
  return { ranges, indices: Int32Array.from(singles) };
}

/** Every key below `kvLength`. */
export function fullKeyPlan(kvLength: number): KeyPlan {
  return { ranges: Int32Array.of(0, kvLength), indices: new Int32Array() };
}
