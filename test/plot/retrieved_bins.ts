import type { BinAxis } from "../../lib/plot/draw/bins.ts";

/** What rows hold of retrieved keys, each a row a step, by the definition of bins. */
export function retrievedBins(
  data: readonly { readonly step: number; readonly indices: ArrayLike<number> }[],
  { bins, tokens }: BinAxis,
  rows: number,
): Float64Array[] {
  const counts = Array.from({ length: rows }, () => new Float64Array(bins));
  for (const { step, indices } of data) {
    for (const key of Array.from(indices)) counts[step]![Math.floor(key * bins / tokens)]!++;
  }
  return counts;
}
