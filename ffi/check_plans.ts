/** Checks of executable plans, against the rows of a call and the tokens of the cache. */
import { type KeyPlan, TILE_MASKED, type TilePlan } from "./backend.ts";
import { type Action, requireLength, shapeError } from "./check_core.ts";

/**
 * Checks the tile plans of a call: one per head, row and column pointers rising from 0 to the end, tiles and columns
 * inside the cache, masks whole. That a plan is causal and that no key is held twice by a row is not checked.
 *
 * @throws {ShapeError} naming the first wrong plan and field
 */
export function checkTilePlans(
  call: Action,
  plans: readonly TilePlan[],
  heads: number,
  tokens: number,
  kvLength: number,
): void {
  requireLength(call, "plans", plans, heads);
  for (const [name, plan] of distinct(plans)) checkTilePlan(call, name, plan, tokens, kvLength);
}

/**
 * Checks the key plans of a call: as many as rows times heads, each as {@link checkKeyPlan} wants it.
 *
 * @throws {ShapeError} naming the first wrong plan and field
 */
export function checkKeyPlans(
  call: Action,
  plans: readonly KeyPlan[],
  count: number,
  kvLength: number,
): void {
  requireLength(call, "plans", plans, count);
  for (const [name, plan] of distinct(plans)) checkKeyPlan(call, name, plan, kvLength);
}

/**
 * Checks a key plan: ranges rising and disjoint, single keys rising and outside the ranges, all inside the cache.
 *
 * @throws {ShapeError} naming the first wrong field
 */
export function checkKeyPlan(call: Action, name: string, plan: KeyPlan, kvLength: number): void {
  const { ranges, indices } = plan;
  if (ranges.length % 2) throw shapeError(call, `${name}.ranges must hold pairs`, ranges.length);
  let previousEnd = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const start = ranges[i] ?? 0;
    const end = ranges[i + 1] ?? 0;
    if (start < previousEnd || end <= start || end > kvLength) {
      const where =
        `${name}.ranges must rise without overlap inside the cache of ${kvLength} tokens`;
      throw shapeError(call, where, `${start} to ${end}`);
    }
    previousEnd = end;
  }
  requireKeys(call, `${name}.indices`, indices, kvLength);
  requireRising(call, `${name}.indices`, indices, 0, indices.length);
  requireOutsideRanges(call, name, plan);
}

function* distinct<P>(plans: readonly P[]): Generator<readonly [name: string, plan: P]> {
  const seen = new Set<P>();
  for (const [i, plan] of plans.entries()) {
    if (!seen.has(plan)) yield [`plans[${i}]`, plan];
    seen.add(plan);
  }
}

function checkTilePlan(
  call: Action,
  name: string,
  plan: TilePlan,
  tokens: number,
  kvLength: number,
): void {
  const { tileQ, tileK, keyStart, kind, masks, columns } = plan;
  if (!Number.isInteger(tileQ) || tileQ < 1 || tileQ > 64) {
    throw shapeError(call, `${name}.tileQ must be an integer of 1 to 64`, tileQ);
  }
  if (tileK !== 32 && tileK !== 64) throw shapeError(call, `${name}.tileK must be 32 or 64`, tileK);
  const rowTiles = Math.ceil(tokens / tileQ);
  requirePointers(call, `${name}.rowPtr`, plan.rowPtr, rowTiles, keyStart.length);
  requirePointers(call, `${name}.colPtr`, plan.colPtr, rowTiles, columns.length);
  requireLength(call, `${name}.kind`, kind, keyStart.length);
  const maskWords = tileQ * (tileK / 32);
  if (masks.length % maskWords !== 0) {
    throw shapeError(
      call,
      `${name}.masks must have a multiple of ${maskWords} words`,
      masks.length,
    );
  }
  requireKeys(call, `${name}.keyStart`, keyStart, kvLength);
  requireKeys(call, `${name}.columns`, columns, kvLength);
  const kinds = TILE_MASKED + masks.length / maskWords;
  const badKind = kind.findIndex((value) => value < 0 || value >= kinds);
  if (badKind >= 0) {
    throw shapeError(call, `${name}.kind[${badKind}] must be in 0 to ${kinds - 1}`, kind[badKind]);
  }
  for (let r = 0; r < rowTiles; r++) {
    requireRising(call, `${name}.columns`, columns, plan.colPtr[r] ?? 0, plan.colPtr[r + 1] ?? 0);
  }
}

function requireOutsideRanges(call: Action, name: string, { ranges, indices }: KeyPlan): void {
  let r = 0;
  for (const key of indices) {
    while (r < ranges.length && (ranges[r + 1] ?? 0) <= key) r += 2;
    if (r < ranges.length && (ranges[r] ?? 0) <= key) {
      throw shapeError(call, `${name}.indices must lie outside the ranges`, key);
    }
  }
}

function requirePointers(
  call: Action,
  name: string,
  ptr: Int32Array,
  rows: number,
  end: number,
): void {
  requireLength(call, name, ptr, rows + 1);
  let ok = ptr[0] === 0 && ptr[rows] === end;
  for (let r = 0; r < rows; r++) ok &&= (ptr[r] ?? 0) <= (ptr[r + 1] ?? 0);
  if (!ok) throw shapeError(call, `${name} must rise from 0 to ${end}`, `[${sample(ptr)}]`);
}

function requireRising(
  call: Action,
  name: string,
  keys: Int32Array,
  start: number,
  end: number,
): void {
  for (let i = start + 1; i < end; i++) {
    if ((keys[i - 1] ?? 0) >= (keys[i] ?? 0)) {
      throw shapeError(call, `${name} must rise`, `${keys[i - 1]}, ${keys[i]}`);
    }
  }
}

function requireKeys(call: Action, name: string, keys: Int32Array, kvLength: number): void {
  for (const key of keys) {
    if (key < 0 || key >= kvLength) {
      throw shapeError(call, `${name} must lie inside the cache of ${kvLength} tokens`, key);
    }
  }
}

function sample(values: Int32Array): string {
  return values.length > 8 ? `${values.slice(0, 8).join(", ")}, ...` : values.join(", ");
}
