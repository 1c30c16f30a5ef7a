/** The last rows of a probed layer ask an index, and attend to what is found: for trials of indexes and of modes. */
import type { Awaitable, KeyPlan, PartialAttention } from "../../ffi/backend.ts";
import type { IndexOptions } from "../retrieval/index_options.ts";
import type { IndexQuery, IndexSource, KvIndex } from "../retrieval/kv_index.ts";
import { LayerRetrieval } from "../retrieval/layer_retrieval.ts";
import { buildIndex } from "../retrieval/make_index.ts";
import { QuerySamples } from "../retrieval/query_samples.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { ProbeParts } from "./head_probe.ts";
import { mergeTail } from "./tail_attention.ts";

/** What is asked, and by which rows. */
export interface Asked {
  /** The index. */
  readonly index: IndexOptions;
  /** First key of the index. */
  readonly sink: number;
  /** End of the keys of the index, exclusive. */
  readonly end: number;
  /** Keys that are asked for. */
  readonly topK: number;
  /** Rows that ask: the last ones of the text. */
  readonly rows: number;
  /** Queries of each head that may build the index. */
  readonly samples: number;
  /** Keys of a cluster of the tail estimate. */
  readonly tailKeys: number;
}

/** What rows found. */
export interface Found {
  /** `[row][head]`, rising. */
  readonly keys: readonly (readonly Int32Array[])[];
  /** `[row][head]` */
  readonly scanned: readonly (readonly number[])[];
  /** Milliseconds of a search: the median over rows. */
  readonly ms: number;
}

/** Attention of the asking rows. */
export interface Rows {
  /** `[rows, heads, dim]` */
  readonly out: Float32Array;
  /** `[rows, heads]` */
  readonly lse: Float32Array;
}

/** An index of a layer, and the clusters of its keys. */
export interface BuiltLayer {
  /** The index. */
  readonly index: KvIndex;
  /** Only the tail of it is asked. */
  readonly tails: LayerRetrieval;
}

/** Builds the index and the clusters over the layer's keys, and frees them when `work` is done. */
export async function withBuilt<T>(
  { model: { backend, config }, tensors, cache, layer, control }: ProbeParts,
  asked: Asked,
  work: (built: BuiltLayer) => Promise<T>,
): Promise<T> {
  const { sink, end, samples } = asked;
  const queries = new QuerySamples(samples);
  queries.add(tensors.q.rows(0, end), 0);
  const kv = cache.view(layer, tensors.q.shape[0]!);
  const source: IndexSource = { kv, start: sink, end, heads: config.heads, queries };
  const tails = await LayerRetrieval.build(backend, tailWish(asked), source, control);
  try {
    const index = await buildIndex(backend, asked.index, source, control);
    try {
      return await work({ index, tails });
    } finally {
      index.close();
    }
  } finally {
    tails.close();
  }
}

function tailWish({ tailKeys, sink }: Asked): RetrievalWish {
  const tail = { clusterKeys: tailKeys, iterations: 4 };
  return { index: { kind: "exact" }, tail, sink, window: 1, batch: 1 };
}

/** Numbers of the query heads. */
export function headsOf({ model: { config: { heads } } }: ProbeParts): number[] {
  return Array.from({ length: heads }, (_, head) => head);
}

/** Lets each row ask the index. */
export async function ask(parts: ProbeParts, index: KvIndex, asked: Asked): Promise<Found> {
  const keys: Int32Array[][] = [];
  const scanned: number[][] = [];
  const times: number[] = [];
  for (let row = 0; row < asked.rows; row++) {
    const query = queryOf(parts, asked, row);
    const began = performance.now();
    const answer = await index.search(query, parts.control);
    times.push(performance.now() - began);
    keys.push(answer.found.map(({ indices }) => indices.toSorted()));
    scanned.push(Array.from(answer.scanned));
  }
  times.sort((a, b) => a - b);
  return { keys, scanned, ms: times[times.length >> 1]! };
}

/** Rows that ask nothing. */
export function nothingFound(parts: ProbeParts, { rows }: Asked): Found {
  const each = <T>(value: T) => Array.from({ length: rows }, () => headsOf(parts).map(() => value));
  return { keys: each(new Int32Array()), scanned: each(0), ms: 0 };
}

function queryOf(parts: ProbeParts, { topK, rows, end }: Asked, row: number): IndexQuery {
  const { model: { config: { scale } }, tensors: { q }, cache, layer } = parts;
  const tokens = q.shape[0]!;
  const place = { kv: cache.view(layer, tokens), q, row: tokens - rows + row };
  return { ...place, heads: headsOf(parts), end, topK, scale, wantsMass: false };
}

/** Attention of the asking rows to every key. */
export function attendAll(parts: ProbeParts, { rows }: Asked): Promise<Rows> {
  return attend(parts, rows, (position) => {
    const plan = { ranges: Int32Array.of(0, position + 1), indices: new Int32Array() };
    return headsOf(parts).map(() => plan);
  });
}

/** Attention of the asking rows to static and found keys. */
export function attendFound(
  parts: ProbeParts,
  { keys }: Found,
  { rows, sink, end }: Asked,
): Promise<Rows> {
  return attend(parts, rows, (position, row) => {
    const ranges = Int32Array.of(0, sink, end, position + 1);
    return keys[row]!.map((indices) => ({ ranges, indices }));
  });
}

/** Attention of the asking rows to first keys and to as many recent ones as `window` says. */
export function attendStatic(
  parts: ProbeParts,
  { rows, sink }: Asked,
  window: number,
): Promise<Rows> {
  return attend(parts, rows, (position) => {
    const ranges = Int32Array.of(0, sink, position + 1 - window, position + 1);
    return headsOf(parts).map(() => ({ ranges, indices: new Int32Array() }));
  });
}

/** Attention of the asking rows by the plans of their heads. */
async function attend(
  parts: ProbeParts,
  rows: number,
  plansOf: (position: number, row: number) => readonly KeyPlan[],
): Promise<Rows> {
  const { model: { backend, config: { scale } }, tensors, cache, layer, control } = parts;
  const tokens = tensors.q.shape[0]!;
  const first = tokens - rows;
  const plans = Array.from({ length: rows }, (_, row) => plansOf(first + row, row)).flat();
  return await filledRows(parts, rows, (out) => {
    const q = tensors.q.rows(first, rows);
    return backend.attendKeys(q, scale, cache.view(layer, tokens), plans, out, control);
  });
}

/** What static and found keys attended to, with the estimate of the others. */
export async function addTails(
  parts: ProbeParts,
  tails: LayerRetrieval,
  { keys }: Found,
  attended: Rows,
  asked: Asked,
): Promise<Rows> {
  const out = new Float32Array(attended.out.length);
  const lse = new Float32Array(attended.lse.length);
  for (let row = 0; row < asked.rows; row++) {
    const tail = await tails.tail(queryOf(parts, asked, row), keys[row]!, parts.control);
    out.set(tail!.out, row * tail!.out.length);
    lse.set(tail!.lse, row * tail!.lse.length);
  }
  return await filledRows(parts, asked.rows, (found) => {
    found.out.write(attended.out);
    found.lse.write(attended.lse);
    return mergeTail(parts.model.backend, found, { out, lse });
  });
}

/** What `fill` writes into tensors of the asking rows. */
async function filledRows(
  { model: { backend, config: { heads, dim } } }: ProbeParts,
  rows: number,
  fill: (found: PartialAttention) => Awaitable<void>,
): Promise<Rows> {
  const found = {
    out: backend.tensor([rows, heads, dim]),
    lse: backend.tensor([rows, heads]),
  };
  try {
    await fill(found);
    return { out: found.out.read(), lse: found.lse.read() };
  } finally {
    found.out.close();
    found.lse.close();
  }
}

/** L2 error of some vectors `[dim]` of what rows attended to, over the norm of the dense ones. */
export function relativeError(
  places: readonly number[],
  dim: number,
  { out }: Rows,
  dense: Rows,
): number {
  let difference = 0, norm = 0;
  for (const at of places) {
    for (let i = at * dim; i < (at + 1) * dim; i++) {
      difference += (out[i]! - dense.out[i]!) ** 2;
      norm += dense.out[i]! ** 2;
    }
  }
  return norm === 0 ? 0 : Math.sqrt(difference / norm);
}
