/** Runs of keys by a score of each run: the best are opened, and the keys in them scored. */
import type { Backend, RunControl, TopKeys } from "../../ffi/backend.ts";
import { askingRows, listedKeys } from "./asking_rows.ts";
import type { IndexAnswer, IndexMass, IndexQuery } from "./kv_index.ts";
import { topIndices } from "./top_indices.ts";

/** Runs of equally many keys, the last one shorter. */
export interface KeyRuns {
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** Keys of a run. */
  readonly block: number;
  /** Share of the keys that are scored. */
  readonly share: number;
}

/**
 * Scores the keys of the best runs for each asking head.
 *
 * @param scores of runs, `[heads, blocks]`
 */
export async function openRuns(
  backend: Backend,
  query: IndexQuery,
  runs: KeyRuns,
  scores: Float32Array,
  control: RunControl | undefined,
): Promise<Omit<IndexAnswer, "mass">> {
  const { heads, topK, kv } = query;
  const blocks = scores.length / heads.length;
  const wanted = Math.max(topK, Math.ceil(runs.share * (runs.end - runs.start)));
  const count = Math.ceil(wanted / runs.block);
  const opened = heads.map((_, h) => {
    const row = scores.subarray(h * blocks, (h + 1) * blocks);
    const keys = keysOf(topIndices(row, count), runs);
    // The last run may be too short.
    return keys.length < wanted ? keysOf(topIndices(row, count + 1), runs) : keys;
  });
  const listed = listedKeys(opened);
  const products = await backend.indexes.scoreKeys(askingRows(query), kv, listed, control);
  const found = opened.map((keys, h) => {
    return bestOf(keys, products.subarray(listed.ptr[h]!, listed.ptr[h + 1]!), topK);
  });
  return { found, scanned: opened.map(({ length }) => length) };
}

/** A bound of the sum of all keys by bounds of their runs, `[heads, blocks]` without the scale. */
export function boundedMass(
  bounds: Float32Array,
  heads: number,
  scale: number,
  { start, end, block }: KeyRuns,
): IndexMass {
  const blocks = bounds.length / heads;
  const lse = Float32Array.from({ length: heads }, (_, h) => {
    const row = bounds.subarray(h * blocks, (h + 1) * blocks);
    const largest = row.reduce((most, bound) => Math.max(most, scale * bound), -Infinity);
    let sum = 0;
    row.forEach((bound, b) => {
      const keys = Math.min(block, end - start - b * block);
      sum += keys * Math.exp(scale * bound - largest);
    });
    return largest + Math.log(sum);
  });
  return { lse, kind: "bound" };
}

function keysOf(blocks: readonly number[], { start, end, block }: KeyRuns): Int32Array {
  const keys = new Int32Array(blocks.length * block);
  let count = 0;
  for (const b of blocks) {
    const first = start + b * block;
    const last = Math.min(end, first + block);
    for (let key = first; key < last; key++) keys[count++] = key;
  }
  return keys.subarray(0, count);
}

/** The best of some rising keys in falling order of scores, equal ones by lower key. */
function bestOf(keys: Int32Array, scores: Float32Array, count: number): TopKeys {
  const best = topIndices(scores, count).sort((a, b) => scores[b]! - scores[a]!);
  return {
    indices: Int32Array.from(best, (place) => keys[place]!),
    scores: Float32Array.from(best, (place) => scores[place]!),
  };
}
