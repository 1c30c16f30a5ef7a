/** Which keys a row sees: executables written out as lists of keys. */
import { type KeyPlan, TILE_CAUSAL, TILE_FULL, TILE_MASKED, type TilePlan } from "./plans.ts";

/** Keys of a decode plan: its ranges, then its single keys. */
export function keysOfPlan({ ranges, indices }: KeyPlan): number[] {
  const keys: number[] = [];
  for (let r = 0; r < ranges.length; r += 2) {
    for (let key = ranges[r]!; key < ranges[r + 1]!; key++) keys.push(key);
  }
  return keys.concat(Array.from(indices));
}

/** Keys `< kvLength` that row `row` of a prefill call sees; it is token `qStart + row`. */
export function keysOfRow(
  plan: TilePlan,
  row: number,
  qStart: number,
  kvLength: number,
): number[] {
  const { tileQ, tileK, rowPtr, colPtr, keyStart, columns } = plan;
  const r = Math.floor(row / tileQ);
  const keys: number[] = [];
  for (let x = rowPtr[r]!; x < rowPtr[r + 1]!; x++) {
    for (let c = 0; c < tileK; c++) {
      const key = keyStart[x]! + c;
      if (key < kvLength && sees(plan, x, row, c, key <= qStart + row)) keys.push(key);
    }
  }
  return keys.concat(Array.from(columns.subarray(colPtr[r]!, colPtr[r + 1]!)));
}

function sees(plan: TilePlan, tile: number, row: number, c: number, isPast: boolean): boolean {
  const kind = plan.kind[tile]!;
  if (kind === TILE_FULL) return true;
  if (kind === TILE_CAUSAL) return isPast;
  const words = plan.tileK / 32;
  const maskRow = (kind - TILE_MASKED) * plan.tileQ + (row % plan.tileQ);
  return (plan.masks[maskRow * words + Math.floor(c / 32)]! >>> (c % 32) & 1) === 1;
}
