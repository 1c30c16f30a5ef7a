/** Opens runs of keys by a score of each run, and scores the keys in them. */
import type { Backend, KvView, RunControl, TopKeys } from "../../ffi/backend.ts";
import { askingRows } from "./asking_rows.ts";
import type { IndexAnswer, IndexMass, IndexQuery } from "./kv_index.ts";

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
  const count = Math.min(blocks, Math.ceil(wanted / runs.block));
  const lists = heads.map((_, h) => {
    const best = bestPlaces(scores.subarray(h * blocks, (h + 1) * blocks), count).sort();
    return keysOf(best, runs);
  });
  const ptr = Int32Array.from({ length: heads.length + 1 }, () => 0);
  lists.forEach(({ length }, h) => ptr[h + 1] = ptr[h]! + length);
  const keys = new Int32Array(ptr[heads.length]!);
  lists.forEach((list, h) => keys.set(list, ptr[h]!));
  const found = await scoreListed(backend, query, kv, { ptr, keys }, control);
  return { found, scanned: lists.map(({ length }) => length) };
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

/** Places of the `count` largest scores in falling order, equal ones by lower place. */
export function bestPlaces(scores: Float32Array, count: number): Int32Array {
  const order = Int32Array.from(scores, (_, place) => place);
  order.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.subarray(0, count);
}

async function scoreListed(
  backend: Backend,
  query: IndexQuery,
  kv: KvView,
  listed: { readonly ptr: Int32Array<ArrayBuffer>; readonly keys: Int32Array<ArrayBuffer> },
  control: RunControl | undefined,
): Promise<TopKeys[]> {
  const scores = await backend.indexes.scoreKeys(askingRows(query), kv, listed, control);
  return query.heads.map((_, h) => {
    const [first, end] = [listed.ptr[h]!, listed.ptr[h + 1]!];
    const [keys, some] = [listed.keys.subarray(first, end), scores.subarray(first, end)];
    const best = bestPlaces(some, query.topK);
    return {
      indices: Int32Array.from(best, (place) => keys[place]!),
      scores: Float32Array.from(best, (place) => some[place]!),
    };
  });
}

function keysOf(blocks: Int32Array, { start, end, block }: KeyRuns): number[] {
  const keys: number[] = [];
  for (const b of blocks) {
    const first = start + b * block;
    for (let key = first; key < Math.min(end, first + block); key++) keys.push(key);
  }
  return keys;
}
