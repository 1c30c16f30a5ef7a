/** The index that answers fastest, by measurement. */
import type { Backend, RunControl, Tensor } from "../../ffi/backend.ts";
import { exactIndex } from "./exact.ts";
import { buildFlat4 } from "./flat4.ts";
import { buildGraph } from "./graph.ts";
import { indexOptions } from "./index_options.ts";
import type { IndexSource, KvIndex } from "./kv_index.ts";

/** Sampled queries that are asked to measure. */
const QUERIES = 8;
const TOP_K = 100;
/** Milliseconds of a search of all heads of a layer below which building a graph is not worth it. */
const WORTH_MS = 1;
const ACTION = "build an index";

/**
 * Builds `exact`, `flat4` and, where queries were sampled, `graph`, asks each the same queries and keeps the one that answers
 * fastest; the graph, which finds least of the three, only where it is at least twice as fast as the others. The graph is left out where
 * scoring all keys takes less than {@link WORTH_MS}.
 */
export async function buildAuto(
  backend: Backend,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const time = (index: KvIndex) => timed(backend, index, source, control);
  const exact = await time(exactIndex(backend, source));
  const flat4 = await time(
    await buildFlat4(backend, indexOptions(ACTION, "flat4"), source, control),
  );
  const flat = flat4.ms < exact.ms ? [flat4, exact] as const : [exact, flat4] as const;
  flat[1].index.close();
  if (flat[0].ms < WORTH_MS || source.queries.count === 0) return flat[0].index;
  const graph = await time(
    await buildGraph(backend, indexOptions(ACTION, "graph"), source, control),
  );
  const [kept, other] = 2 * graph.ms < flat[0].ms ? [graph, flat[0]] : [flat[0], graph];
  other.index.close();
  return kept.index;
}

/** An index with the least time of its searches. */
async function timed(
  backend: Backend,
  index: KvIndex,
  source: IndexSource,
  control: RunControl | undefined,
): Promise<{ readonly index: KvIndex; readonly ms: number }> {
  const { kv, end } = source;
  const { q, heads } = queriesOf(backend, source);
  const question = { kv, q, heads, end, topK: TOP_K, scale: 1, wantsMass: false };
  try {
    let ms = Infinity;
    for (let row = 0; row < QUERIES; row++) {
      const began = performance.now();
      await index.search({ ...question, row }, control);
      ms = Math.min(ms, performance.now() - began);
    }
    return { index, ms };
  } finally {
    q.close();
  }
}

/** Sampled queries, or the last keys where there are none. */
function queriesOf(backend: Backend, { kv, end, heads, queries }: IndexSource): {
  readonly q: Tensor;
  readonly heads: readonly number[];
} {
  const { kvHeads, spec: { dim } } = kv.table;
  const rows = new Float32Array(QUERIES * heads * dim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head * kvHeads / heads);
    const known = queries.count > 0
      ? queries.head(head)
      : backend.readKv(kv.table, kvHead, Math.max(0, end - QUERIES), Math.min(QUERIES, end)).k;
    for (let row = 0; row < QUERIES; row++) {
      const from = Math.floor((row + 0.5) * known.length / dim / QUERIES) * dim;
      rows.set(known.subarray(from, from + dim), (row * heads + head) * dim);
    }
  }
  const all = Array.from({ length: heads }, (_, head) => head);
  return { q: backend.tensor([QUERIES, heads, dim], "f32", rows), heads: all };
}
