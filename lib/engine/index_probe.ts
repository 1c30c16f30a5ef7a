/** Tries an index on the queries, keys and values of a layer, beside exact search and dense attention. */
import type { Awaitable, KeyPlan, PartialAttention } from "../../ffi/backend.ts";
import { exactIndex } from "../retrieval/exact.ts";
import { indexName, type IndexOptions } from "../retrieval/index_options.ts";
import type { IndexQuery, IndexSource, KvIndex } from "../retrieval/kv_index.ts";
import { LayerRetrieval } from "../retrieval/layer_retrieval.ts";
import { buildIndex } from "../retrieval/make_index.ts";
import { QuerySamples } from "../retrieval/query_samples.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { ProbeParts } from "./head_probe.ts";
import { QUERY_SAMPLES } from "./session_defaults.ts";
import { mergeTail } from "./tail_attention.ts";

/** How an index is tried. */
export interface IndexTrialOptions {
  /** The index. */
  readonly index: IndexOptions;
  /**
   * Tokens at the start that the index leaves out.
   * @default 128
   */
  readonly sink?: number;
  /**
   * Tokens at the end that the index leaves out; the last of them ask.
   * @default 512
   */
  readonly window?: number;
  /**
   * Keys that are asked for.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Rows that ask: the last ones of the text.
   * @default 64
   */
  readonly rows?: number;
  /**
   * Queries of each head that may build an index, evenly from the rows before the window.
   * @default 4096
   */
  readonly samples?: number;
  /**
   * Keys of a cluster of the tail estimate.
   * @default 64
   */
  readonly tailKeys?: number;
}

/** How an index did for one query head, in the mean over rows. */
export interface IndexTrial {
  /** Share of the exact best keys that were found. */
  readonly recall: number;
  /** Attention on static and found keys, of all attention. */
  readonly mass: number;
  /** The same with the exact best keys. */
  readonly exactMass: number;
  /** `mass` over `exactMass`, row by row: the mean. */
  readonly massShare: number;
  /** The same: its 5th percentile over rows. */
  readonly massShare5: number;
  /** Keys scored to select, of all keys of the index. */
  readonly scannedShare: number;
  /** Relative L2 error of the attention output over all rows. */
  readonly error: number;
  /** The same with the exact best keys. */
  readonly exactError: number;
  /** The same as `error` with the tail estimated. */
  readonly tailError: number;
  /** Share of the attention that static, found and estimated keys seem to hold: `exp` of their log-sum-exp less the true one. */
  readonly tailMass: number;
}

/** How an index did in a layer. */
export interface LayerIndexTrial {
  /** Kind of the index and options that are not the default. */
  readonly name: string;
  /** One for each query head. */
  readonly heads: readonly IndexTrial[];
  /** Keys of the index. */
  readonly keys: number;
  /** Milliseconds of a search of all heads: the median over rows. */
  readonly searchMs: number;
  /** Milliseconds of building, all KV heads. */
  readonly buildMs: number;
  /** Bytes beside keys and values. */
  readonly bytes: number;
  /** Milliseconds of an exact search of all heads: the median over rows. */
  readonly exactMs: number;
}

/** What rows found. */
interface Found {
  /** `[row][head]`, rising. */
  readonly keys: readonly (readonly Int32Array[])[];
  /** `[row][head]` */
  readonly scanned: readonly (readonly number[])[];
  /** Milliseconds of a search: the median over rows. */
  readonly ms: number;
}

type Asked = Required<IndexTrialOptions> & {
  /** End of the keys of the index, exclusive. */
  readonly end: number;
};

/** Tries an index on a layer of a text. */
export async function tryIndex(
  parts: ProbeParts,
  options: IndexTrialOptions,
): Promise<LayerIndexTrial> {
  const asked = askedOf(parts, options);
  const { model: { backend }, control } = parts;
  const source = sourceOf(parts, asked);
  const built = await buildIndex(backend, asked.index, source, control);
  const tails = await LayerRetrieval.build(backend, tailWish(asked), source, control);
  try {
    const results = await compare(parts, built, tails, asked);
    const { buildMs, bytes } = built.stats();
    return {
      name: indexName(asked.index),
      heads: headsOf(parts).map((head) => headTrial(head, parts.model.config, results)),
      keys: results.keys,
      searchMs: results.found.ms,
      buildMs,
      bytes,
      exactMs: results.best.ms,
    };
  } finally {
    built.close();
    tails.close();
  }
}

function askedOf({ tensors }: ProbeParts, options: IndexTrialOptions): Asked {
  const { index, sink = 128, window = 512, topK = 100, rows = 64 } = options;
  const { samples = QUERY_SAMPLES, tailKeys = 64 } = options;
  const tokens = tensors.q.shape[0]!;
  const end = tokens - window;
  if (end <= sink || rows < 1 || rows > window) {
    throw new RangeError(
      `Cannot try an index as the text must be longer than sink and window, and rows be of 1 to ${window}: ` +
        `current value is ${tokens} tokens, ${rows} rows`,
    );
  }
  return { index, sink, window, topK, rows, samples, tailKeys, end };
}

function sourceOf(
  { model: { config }, tensors, cache, layer }: ProbeParts,
  { sink, end, samples }: Asked,
): IndexSource {
  const queries = new QuerySamples(samples);
  queries.add(tensors.q.rows(0, end), 0);
  const kv = cache.view(layer, tensors.q.shape[0]!);
  return { kv, start: sink, end, heads: config.heads, queries };
}

/** Only the tail of it is asked. */
function tailWish({ tailKeys, sink, window }: Asked): RetrievalWish {
  const tail = { clusterKeys: tailKeys, iterations: 4 };
  return { index: { kind: "exact" }, tail, sink, window, batch: 1 };
}

/** Lets the index, exact search and dense attention answer the same rows. */
async function compare(
  parts: ProbeParts,
  built: KvIndex,
  tails: LayerRetrieval,
  asked: Asked,
): Promise<Results> {
  const { model: { backend } } = parts;
  const { sink, end, rows } = asked;
  const found = await ask(parts, built, asked);
  const best = await ask(parts, exactIndex(backend, { start: sink, end }), asked);
  const attended = await attendFound(parts, found, asked);
  const attendedBest = await attendFound(parts, best, asked);
  const estimated = await addTails(parts, tails, found, attended, asked);
  // Not what the prefill computed: its products may be of bf16, and then kept shares of sharp heads would be off by those.
  const dense = await attend(parts, rows, (position) =>
    headsOf(parts).map(() => ({
      ranges: Int32Array.of(0, position + 1),
      indices: new Int32Array(),
    })));
  return { found, best, attended, attendedBest, estimated, dense, rows, keys: end - sink };
}

async function ask(parts: ProbeParts, index: KvIndex, asked: Asked): Promise<Found> {
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

function queryOf(parts: ProbeParts, { topK, rows, end }: Asked, row: number): IndexQuery {
  const { model: { config: { scale } }, tensors: { q }, cache, layer } = parts;
  const tokens = q.shape[0]!;
  const place = { kv: cache.view(layer, tokens), q, row: tokens - rows + row };
  return { ...place, heads: headsOf(parts), end, topK, scale, wantsMass: false };
}

function headsOf({ model: { config: { heads } } }: ProbeParts): number[] {
  return Array.from({ length: heads }, (_, head) => head);
}

/** Attention of the asking rows. */
interface Rows {
  /** `[rows, heads, dim]` */
  readonly out: Float32Array;
  /** `[rows, heads]` */
  readonly lse: Float32Array;
}

/** Attention of the asking rows over static and found keys. */
function attendFound(
  parts: ProbeParts,
  { keys }: Found,
  { rows, sink, end }: Asked,
): Promise<Rows> {
  return attend(parts, rows, (position, row) => {
    const ranges = Int32Array.of(0, sink, end, position + 1);
    return keys[row]!.map((indices) => ({ ranges, indices }));
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
async function addTails(
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

interface Results {
  readonly found: Found;
  readonly best: Found;
  readonly attended: Rows;
  readonly attendedBest: Rows;
  readonly estimated: Rows;
  readonly dense: Rows;
  readonly rows: number;
  readonly keys: number;
}

function headTrial(
  head: number,
  { heads, dim }: { readonly heads: number; readonly dim: number },
  { found, best, attended, attendedBest, estimated, dense, rows, keys }: Results,
): IndexTrial {
  const places = Array.from({ length: rows }, (_, row) => row * heads + head);
  const mean = (value: (at: number, row: number) => number) =>
    places.reduce((sum, at, row) => sum + value(at, row), 0) / rows;
  const shareOf = (part: Rows, whole: Rows) => (at: number) =>
    Math.min(1, Math.exp(part.lse[at]! - whole.lse[at]!));
  const shares = places.map(shareOf(attended, attendedBest));
  const sorted = shares.toSorted((a, b) => a - b);
  const errorOf = ({ out }: Rows) => relativeError(places, dim, out, dense.out);
  return {
    recall: mean((_, row) => overlap(found.keys[row]![head]!, best.keys[row]![head]!)),
    mass: mean(shareOf(attended, dense)),
    exactMass: mean(shareOf(attendedBest, dense)),
    massShare: mean((_, row) => shares[row]!),
    massShare5: sorted[Math.floor(0.05 * rows)]!,
    scannedShare: mean((_, row) => found.scanned[row]![head]!) / keys,
    error: errorOf(attended),
    exactError: errorOf(attendedBest),
    tailError: errorOf(estimated),
    tailMass: mean((at) => Math.exp(estimated.lse[at]! - dense.lse[at]!)),
  };
}

/** Share of the keys of `wanted` that `found` has; 1 where none were wanted. */
export function overlap(found: Int32Array, wanted: Int32Array): number {
  const known = new Set(found);
  let count = 0;
  for (const key of wanted) if (known.has(key)) count++;
  return wanted.length === 0 ? 1 : count / wanted.length;
}

function relativeError(
  places: readonly number[],
  dim: number,
  out: Float32Array,
  dense: Float32Array,
): number {
  let difference = 0, norm = 0;
  for (const at of places) {
    for (let i = at * dim; i < (at + 1) * dim; i++) {
      difference += (out[i]! - dense[i]!) ** 2;
      norm += dense[i]! ** 2;
    }
  }
  return norm === 0 ? 0 : Math.sqrt(difference / norm);
}
