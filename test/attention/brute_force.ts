/** Masks of plans by their definition, one query and key at a time. */
import { TILE_CAUSAL, TILE_FULL, TILE_MASKED, type TilePlan } from "../../ffi/backend.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";

/** Whether query `i` sees key `j` under a plan. */
export function sees(plan: HeadPlan, i: number, j: number): boolean {
  if (j > i) return false;
  switch (plan.kind) {
    case "dense":
      return true;
    case "streaming":
      return j < plan.sink || i - j < plan.window;
    case "verticalSlash":
      return plan.vertical.includes(j) || plan.slash.includes(i - j);
    case "blockSparse":
      return (plan.blocks[Math.floor((i - (plan.from ?? 0)) / plan.block)] ?? [])
        .includes(Math.floor(j / plan.block));
    case "staticPlusRetrieved":
      return j < plan.sink || i - j < plan.window || plan.retrieved.includes(j);
    case "split":
      return sees(i < plan.at ? plan.before : plan.after, i, j);
    case "union":
      return plan.plans.some((part) => sees(part, i, j));
    case "intersect":
      return plan.plans.every((part) => sees(part, i, j));
  }
}

/** How often row `row` (token `qStart + row`) holds each key of a tile plan, `[kvLen]`. */
export function keysOfRow(plan: TilePlan, qStart: number, row: number, kvLen: number): number[] {
  const counts = new Array<number>(kvLen).fill(0);
  const tile = Math.floor(row / plan.tileQ);
  for (let x = plan.rowPtr[tile]!; x < plan.rowPtr[tile + 1]!; x++) {
    for (let c = 0; c < plan.tileK; c++) {
      const key = plan.keyStart[x]! + c;
      if (tileHolds(plan, x, row, qStart + row, c)) counts[key] = (counts[key] ?? 0) + 1;
    }
  }
  for (let c = plan.colPtr[tile]!; c < plan.colPtr[tile + 1]!; c++) counts[plan.columns[c]!]!++;
  return counts;
}

function tileHolds(plan: TilePlan, x: number, row: number, i: number, c: number): boolean {
  const kind = plan.kind[x]!;
  if (kind === TILE_FULL) return true;
  if (kind === TILE_CAUSAL) return plan.keyStart[x]! + c <= i;
  const base = ((kind - TILE_MASKED) * plan.tileQ + row % plan.tileQ) * plan.tileK / 32;
  return (plan.masks[base + (c >> 5)]! >>> (c & 31) & 1) === 1;
}
