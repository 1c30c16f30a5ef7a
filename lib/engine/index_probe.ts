/** Tries an index on the queries, keys and values of a layer, beside exact search and dense attention. */
import type { KeyPlan, PartialAttention, Tensor } from "../../ffi/backend.ts";
import { buildIndex } from "../retrieval/make_index.ts";
import { exactIndex } from "../retrieval/exact.ts";
import { indexName, type IndexOptions } from "../retrieval/index_options.ts";
import type { IndexQuery, KvIndex } from "../retrieval/kv_index.ts";
import { LayerRetrieval } from "../retrieval/layer_retrieval.ts";
import { QuerySamples } from "../retrieval/query_samples.ts";
import type { ProbeParts } from "./head_probe.ts";

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

interface Found {
  /** `[row][head]`, rising. */
  readonly keys: readonly (readonly Int32Array[])[];
  /** `[row][head]` */
  readonly scanned: readonly (readonly number[])[];
  readonly ms: number;
}

/** Tries an index on a layer of a text. */
export async function tryIndex(
  parts: ProbeParts,
  options: IndexTrialOptions,
): Promise<LayerIndexTrial> {
  const { model: { backend, config }, tensors, control } = parts;
  const tokens = tensors.q.shape[0]!;
  const { index, sink = 128, window = 512, topK = 100, rows = 64, tailKeys = 64 } = options;
  const end = tokens - window;
  if (end <= sink || rows < 1 || rows > window) {
    throw new RangeError(
      `Cannot try an index as the text must be longer than sink and window, and rows be of 1 to ${window}: ` +
        `current value is ${tokens} tokens, ${rows} rows`,
    );
  }
  const kv = parts.cache.view(parts.layer, tokens);
  const queries = new QuerySamples(options.samples ?? 4096);
  queries.add(tensors.q.rows(0, end), 0);
  const source = { kv, start: sink, end, heads: config.heads, queries };
  const built = await buildIndex(backend, index, source, control);
  const tail = { clusterKeys: tailKeys, iterations: 4 };
  const wish = { index: { kind: "exact" }, tail, sink, window, batch: 1 } as const;
  const tails = await LayerRetrieval.build(backend, wish, source, control);
  const exact = exactIndex(backend, { start: sink, end });
  try {
    const asked = { topK, rows, end };
    const found = await ask(parts, built, asked);
    const best = await ask(parts, exact, asked);
    const attended = await attend(parts, found, asked, sink);
    const attendedBest = await attend(parts, best, asked, sink);
    const estimated = await addTails(parts, tails, found, attended, asked);
    const dense = {
      out: tensors.out.rows(tokens - rows, rows).read(),
      lse: tensors.lse.rows(tokens - rows, rows).read(),
    };
    const heads = Array.from(
      { length: config.heads },
      (_, head) =>
        headTrial(head, config, {
          found,
          best,
          attended,
          attendedBest,
          estimated,
          dense,
          rows,
          keys: end - sink,
        }),
    );
    const { buildMs, bytes } = built.stats();
    return {
      name: indexName(index),
      heads,
      keys: end - sink,
      searchMs: found.ms,
      buildMs,
      bytes,
      exactMs: best.ms,
    };
  } finally {
    built.close();
    tails.close();
  }
}

interface Asked {
  readonly topK: number;
  readonly rows: number;
  readonly end: number;
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

function queryOf(
  { model: { config }, tensors, cache, layer }: ProbeParts,
  { topK, rows, end }: Asked,
  row: number,
): IndexQuery {
  const tokens = tensors.q.shape[0]!;
  const kv = cache.view(layer, tokens);
  const heads = Array.from({ length: config.heads }, (_, head) => head);
  const place = { q: tensors.q, row: tokens - rows + row };
  return { kv, ...place, heads, end, topK, scale: config.scale, wantsMass: false };
}

interface Rows {
  readonly out: Float32Array;
  readonly lse: Float32Array;
}

/** Attention of the asking rows over static and found keys. */
async function attend(
  { model: { backend, config }, tensors, cache, layer, control }: ProbeParts,
  { keys }: Found,
  { rows, end }: Asked,
  sink: number,
): Promise<Rows> {
  const tokens = tensors.q.shape[0]!;
  const first = tokens - rows;
  const plans = keys.flatMap((heads, row) =>
    heads.map((indices): KeyPlan => {
      return { ranges: Int32Array.of(0, sink, end, first + row + 1), indices };
    })
  );
  const out = emptyRows(backend, rows, config);
  try {
    const q = tensors.q.rows(first, rows);
    await backend.attendKeys(q, config.scale, cache.view(layer, tokens), plans, out, control);
    return { out: out.out.read(), lse: out.lse.read() };
  } finally {
    out.out.close();
    out.lse.close();
  }
}

function emptyRows(
  backend: ProbeParts["model"]["backend"],
  rows: number,
  { heads, dim }: { readonly heads: number; readonly dim: number },
): PartialAttention & Record<"out" | "lse", Tensor> {
  return { out: backend.tensor([rows, heads, dim]), lse: backend.tensor([rows, heads]) };
}

/** What static and found keys attended to, with the estimate of the others. */
async function addTails(
  parts: ProbeParts,
  tails: LayerRetrieval,
  { keys }: Found,
  attended: Rows,
  asked: Asked,
): Promise<Rows> {
  const { heads, dim } = parts.model.config;
  const out = attended.out.slice(), lse = attended.lse.slice();
  for (let row = 0; row < asked.rows; row++) {
    const lists = keys[row]!.map((some) => [...some]);
    const tail = await tails.tail(queryOf(parts, asked, row), lists, parts.control);
    for (let head = 0; head < heads; head++) {
      const at = row * heads + head;
      const [a, b] = [lse[at]!, tail!.lse[head]!];
      const whole = Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
      const [mine, theirs] = [Math.exp(a - whole), Math.exp(b - whole)];
      for (let i = 0; i < dim; i++) {
        out[at * dim + i] = mine * out[at * dim + i]! + theirs * tail!.out[head * dim + i]!;
      }
      lse[at] = whole;
    }
  }
  return { out, lse };
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
  const massOf = ({ lse }: Rows) => (at: number) =>
    Math.min(1, Math.exp(lse[at]! - dense.lse[at]!));
  const shares = places.map((at) =>
    Math.min(1, Math.exp(attended.lse[at]! - attendedBest.lse[at]!))
  );
  const sorted = shares.toSorted((a, b) => a - b);
  const errorOf = ({ out }: Rows) => relativeError(places, dim, out, dense.out);
  return {
    recall: mean((_, row) => overlap(found.keys[row]![head]!, best.keys[row]![head]!)),
    mass: mean(massOf(attended)),
    exactMass: mean(massOf(attendedBest)),
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
function overlap(found: Int32Array, wanted: Int32Array): number {
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
