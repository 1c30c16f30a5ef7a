/** Blocks of a chunk's queries, which count from its first row, and blocks of keys, which count from key 0. */
import type { BlockScores, PrefillContext } from "./method.ts";

/** The key blocks with the own keys of a block of queries: one, or two where the chunk begins inside of a block. */
export interface OwnBlocks {
  /** With the first query's own key. */
  readonly first: number;
  /** With the last query's own key; later blocks are not seen. */
  readonly last: number;
}

/** The own blocks of each block of a chunk's queries. */
export function ownBlocks(
  { qStart, qLen }: Pick<PrefillContext, "qStart" | "qLen">,
  block: number,
): OwnBlocks[] {
  return Array.from({ length: Math.ceil(qLen / block) }, (_, row) => ({
    first: Math.floor((qStart + row * block) / block),
    last: Math.floor((qStart + Math.min((row + 1) * block, qLen) - 1) / block),
  }));
}

/** The scores of one head: number `x` of those that were asked for. */
export function scoresOfHead({ scores, rows, columns }: BlockScores, x: number): BlockScores {
  const size = rows * columns;
  return { scores: scores.subarray(x * size, (x + 1) * size), rows, columns };
}
