/** Distances in bins whose ends have equal ratios. */
import { quantile } from "../draw/averages.ts";
import { rangeOf } from "../draw/scale.ts";
import type { CountedDistances, ShiftDistances } from "./shift_data.ts";

const BINS = 28;
/** Smaller distances, as a share of the largest, are counted in the first bin. */
const LEAST_SHARE = 1e-4;
/** Room beside distances that are all the same, as a factor. */
const ROOM = 1.05;

/** Counts distances of keys and of queries in the same bins. */
export function countDistances(keys: Float64Array, queries: Float64Array): ShiftDistances {
  const edges = edgesOf([...keys, ...queries]);
  return { edges, keys: counted(keys, edges), queries: counted(queries, edges) };
}

function edgesOf(distances: readonly number[]): Float64Array {
  const [least, most] = rangeOf(distances);
  const top = most > 0 ? most : 1;
  const [low, high] = [Math.max(least, LEAST_SHARE * top) / ROOM, ROOM * top];
  return Float64Array.from(
    { length: BINS + 1 },
    (_, i) => low * (high / low) ** (i / BINS),
  );
}

function counted(distances: Float64Array, edges: Float64Array): CountedDistances {
  const counts = new Uint32Array(edges.length - 1);
  const [low, step] = [Math.log(edges[0]!), Math.log(edges[1]! / edges[0]!)];
  for (const distance of distances) {
    const bin = Math.floor((Math.log(distance) - low) / step);
    counts[Math.min(BINS - 1, Math.max(0, bin))]!++;
  }
  return { counts, median: quantile(distances.toSorted(), 0.5) };
}
