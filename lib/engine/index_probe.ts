/** Tries an index on the queries, keys and values of a layer, beside exact search and dense attention. */
import { exactIndex } from "../retrieval/exact.ts";
import { indexName, type IndexOptions } from "../retrieval/index_options.ts";
import {
  addTails,
  ask,
  type Asked,
  attendAll,
  attendFound,
  type BuiltLayer,
  type Found,
  headsOf,
  relativeError,
  type Rows,
  withBuilt,
} from "./asked_rows.ts";
import type { ProbeParts } from "./head_probe.ts";
import { QUERY_SAMPLES } from "./session_defaults.ts";

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

/** Tries an index on a layer of a text. */
export async function tryIndex(
  parts: ProbeParts,
  options: IndexTrialOptions,
): Promise<LayerIndexTrial> {
  const asked = askedOf(parts, options);
  return await withBuilt(parts, asked, async (built) => {
    const results = await compare(parts, built, asked);
    const { buildMs, bytes } = built.index.stats();
    return {
      name: indexName(asked.index),
      heads: headsOf(parts).map((head) => headTrial(head, parts.model.config, results)),
      keys: results.keys,
      searchMs: results.found.ms,
      buildMs,
      bytes,
      exactMs: results.best.ms,
    };
  });
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
  return { index, sink, topK, rows, samples, tailKeys, end };
}

/** Lets the index, exact search and dense attention answer the same rows. */
async function compare(
  parts: ProbeParts,
  { index, tails }: BuiltLayer,
  asked: Asked,
): Promise<Results> {
  const { model: { backend } } = parts;
  const { sink, end, rows } = asked;
  const found = await ask(parts, index, asked);
  const best = await ask(parts, exactIndex(backend, { start: sink, end }), asked);
  const attended = await attendFound(parts, found, asked);
  const attendedBest = await attendFound(parts, best, asked);
  const estimated = await addTails(parts, tails, found, attended, asked);
  // Not what the prefill computed: its products may be of bf16, and then kept shares of sharp heads would be off by those.
  const dense = await attendAll(parts, asked);
  return { found, best, attended, attendedBest, estimated, dense, rows, keys: end - sink };
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
  const errorOf = (part: Rows) => relativeError(places, dim, part, dense);
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
