import type { TilePlan } from "../../ffi/backend.ts";

/** Query-key scores that an executable computes: whole tiles, and a column for each row of a row tile. */
export function tileArea({ tileQ, tileK, keyStart, columns }: TilePlan): number {
  return tileQ * (tileK * keyStart.length + columns.length);
}
