/** From plans to prefill executables: exact masks cut into tiles, with what is simple kept simple. */
import { TILE_CAUSAL, TILE_FULL, TILE_MASKED, type TilePlan } from "../../ffi/backend.ts";
import { checkCount } from "./check.ts";
import { coverTiles } from "./cover_tiles.ts";
import { bits, countBits, maskOf, type MaskSource, type TileHint } from "./mask_source.ts";
import { checkPlan, type HeadPlan } from "./plan.ts";

/** Rows of a row tile. */
const TILE_Q = 64;
/** Keys of a tile. */
const TILE_K = 64;
const WORDS = TILE_K / 32;
/** Tiles with at most this many whole columns become single columns. */
const COLUMN_LIMIT = 8;

/**
 * Lowers a head's plan for the queries `qStart .. qStart+qLen-1` over `kvLen` cached keys.
 *
 * The result holds exactly the plan's keys, or more where a plan of columns and diagonals allows it: whole tiles as full or causal, tiles with a few whole columns as
 * columns, the rest with a bitmask. Equal masks are stored once.
 *
 * @throws {RangeError} if the range or the plan is not valid, or the plan is for one query only
 */
export function lower(plan: HeadPlan, qStart: number, qLen: number, kvLen: number): TilePlan {
  checkRange(qStart, qLen, kvLen);
  checkPlan(plan);
  if (plan.kind === "verticalSlash" && plan.cover) {
    return coverTiles(plan, plan.cover, qStart, qLen);
  }
  return lowerMask(maskOf(plan, qStart + qLen), qStart, qLen);
}

/** Keys that `a` or `b` holds; both must be for the same rows. */
export function unionTiles(a: TilePlan, b: TilePlan, qStart: number, qLen: number): TilePlan {
  return combine(a, b, qStart, qLen, (x, y) => x | y);
}

/** Keys that `a` and `b` hold; both must be for the same rows. */
export function intersectTiles(a: TilePlan, b: TilePlan, qStart: number, qLen: number): TilePlan {
  return combine(a, b, qStart, qLen, (x, y) => x & y);
}

/** The rows that a tile plan sees, as a mask again: `word(i, start)` for absolute query and key numbers. */
export function maskOfTiles(plan: TilePlan, qStart: number): MaskSource {
  return {
    word: (i, start) => wordOfTiles(plan, i - qStart, i, start),
    hint: (_i0, i1, start) => start >= i1 ? "empty" : "mixed",
  };
}

function checkRange(qStart: number, qLen: number, kvLen: number): void {
  checkCount("lower", "qStart", qStart, 0);
  checkCount("lower", "qLen", qLen, 1);
  checkCount("lower", "kvLen", kvLen, qStart + qLen);
}

function combine(
  a: TilePlan,
  b: TilePlan,
  qStart: number,
  qLen: number,
  join: (x: number, y: number) => number,
): TilePlan {
  const first = maskOfTiles(a, qStart);
  const second = maskOfTiles(b, qStart);
  return lowerMask(
    { ...first, word: (i, start) => join(first.word(i, start), second.word(i, start)) },
    qStart,
    qLen,
  );
}

/** Lowers any mask; see {@link lower}. */
function lowerMask(source: MaskSource, qStart: number, qLen: number): TilePlan {
  const parts = new Parts();
  for (let i0 = qStart; i0 < qStart + qLen; i0 += TILE_Q) {
    const i1 = Math.min(i0 + TILE_Q, qStart + qLen);
    for (let start = 0; start < i1; start += TILE_K) {
      addTile(parts, source, i0, i1, start);
    }
    parts.endRow();
  }
  return parts.plan();
}

function addTile(parts: Parts, source: MaskSource, i0: number, i1: number, start: number): void {
  const hint = source.hint(i0, i1, start, TILE_K);
  if (hint !== "mixed") return parts.addKnown(hint, start);
  const { mask, any, all } = readTile(source, i0, i1, start);
  if (any.every((word) => word === 0)) return;
  const whole = any.every((word, w) => word === all[w]);
  if (whole && all.every((word) => word === -1)) return parts.addKnown("full", start);
  if (whole && countAll(any) <= COLUMN_LIMIT) return parts.addColumns(any, start);
  if (isCausal(mask, i0, i1, start)) return parts.addKnown("causal", start);
  parts.addMasked(mask, start);
}

function readTile(source: MaskSource, i0: number, i1: number, start: number) {
  const mask = new Int32Array(TILE_Q * WORDS);
  const any = new Int32Array(WORDS);
  const all = new Int32Array(WORDS).fill(-1);
  for (let i = i0; i < i1; i++) {
    for (let w = 0; w < WORDS; w++) {
      const word = source.word(i, start + 32 * w);
      mask[(i - i0) * WORDS + w] = word;
      any[w]! |= word;
      all[w]! &= word;
    }
  }
  return { mask, any, all };
}

function isCausal(mask: Int32Array, i0: number, i1: number, start: number): boolean {
  for (let i = i0; i < i1; i++) {
    for (let w = 0; w < WORDS; w++) {
      const from = start + 32 * w;
      if (mask[(i - i0) * WORDS + w] !== bits(0, i + 1 - from)) return false;
    }
  }
  return true;
}

function countAll(words: Int32Array): number {
  return words.reduce((sum, word) => sum + countBits(word), 0);
}

/** Collects the tiles and columns of one row tile after the other. */
class Parts {
  #rowPtr = [0];
  #keyStart: number[] = [];
  #kind: number[] = [];
  #colPtr = [0];
  #columns: number[] = [];
  #masks: Int32Array[] = [];
  #maskNumbers = new Map<string, number>();

  addKnown(hint: TileHint, start: number): void {
    if (hint === "empty") return;
    this.#keyStart.push(start);
    this.#kind.push(hint === "full" ? TILE_FULL : TILE_CAUSAL);
  }

  addColumns(words: Int32Array, start: number): void {
    for (let c = 0; c < TILE_K; c++) {
      if (words[c >> 5]! & (1 << (c & 31))) this.#columns.push(start + c);
    }
  }

  addMasked(mask: Int32Array, start: number): void {
    const key = mask.join();
    let number = this.#maskNumbers.get(key);
    if (number === undefined) {
      number = this.#masks.push(mask) - 1;
      this.#maskNumbers.set(key, number);
    }
    this.#keyStart.push(start);
    this.#kind.push(TILE_MASKED + number);
  }

  endRow(): void {
    this.#rowPtr.push(this.#keyStart.length);
    this.#colPtr.push(this.#columns.length);
  }

  plan(): TilePlan {
    const masks = new Int32Array(this.#masks.length * TILE_Q * WORDS);
    this.#masks.forEach((mask, m) => masks.set(mask, m * TILE_Q * WORDS));
    return {
      tileQ: TILE_Q,
      tileK: TILE_K,
      rowPtr: Int32Array.from(this.#rowPtr),
      keyStart: Int32Array.from(this.#keyStart),
      kind: Int32Array.from(this.#kind),
      colPtr: Int32Array.from(this.#colPtr),
      columns: Int32Array.from(this.#columns),
      masks,
    };
  }
}

function wordOfTiles(plan: TilePlan, row: number, i: number, start: number): number {
  const tile = Math.floor(row / plan.tileQ);
  let word = 0;
  for (let x = plan.rowPtr[tile]!; x < plan.rowPtr[tile + 1]!; x++) {
    const from = plan.keyStart[x]!;
    if (from + plan.tileK > start && from < start + 32) {
      word |= wordOfTile(plan, x, row % plan.tileQ, i, start);
    }
  }
  for (let c = plan.colPtr[tile]!; c < plan.colPtr[tile + 1]!; c++) {
    const column = plan.columns[c]! - start;
    if (column >= 0 && column < 32) word |= 1 << column;
  }
  return word;
}

function wordOfTile(plan: TilePlan, x: number, row: number, i: number, start: number): number {
  const from = plan.keyStart[x]!;
  const kind = plan.kind[x]!;
  const inside = bits(from - start, Math.min(from + plan.tileK, i + 1) - start);
  if (kind < TILE_MASKED) return inside;
  const words = plan.tileK / 32;
  const base = ((kind - TILE_MASKED) * plan.tileQ + row) * words;
  let word = 0;
  for (let c = Math.max(0, start - from); c < Math.min(plan.tileK, start + 32 - from); c++) {
    if (plan.masks[base + (c >> 5)]! & (1 << (c & 31))) word |= 1 << (from + c - start);
  }
  return word;
}
