/** Keys of a head with the queries that build an index over them and those that ask it. */
import { QUERY_SAMPLES } from "../engine/session_defaults.ts";
import type { RecordedHead } from "./recorded_heads.ts";

/** What indexes are tried on: one KV head's keys between the first tokens and a window, and what is left out. */
export interface KeySet {
  /** Where the keys are from. */
  readonly source: "recorded" | "synthetic";
  /** Size of a head. */
  readonly dim: number;
  /** Query heads that share the keys. */
  readonly heads: number;
  /** What scores are multiplied by before softmax. */
  readonly scale: number;
  /** Keys of the index, `[keys, dim]`. */
  readonly keys: Float32Array;
  /** Queries that may build an index, `[samples, heads, dim]`. */
  readonly samples: Float32Array;
  /** Queries that ask, `[rows, heads, dim]`. */
  readonly asks: Float32Array;
  /** Log-sum-exp of each ask's scores of the keys that the index leaves out, `[rows, heads]`. */
  readonly staticLse: Float64Array;
}

/** Which tokens are what in a key set. */
export interface KeySetOptions {
  /**
   * Tokens at the start that the index leaves out.
   * @default 128
   */
  readonly sink?: number;
  /**
   * Tokens at the end that the index leaves out; the rows that ask are evenly from their later half.
   * @default 512
   */
  readonly window?: number;
  /**
   * Rows that ask.
   * @default 128
   */
  readonly rows?: number;
  /**
   * Queries of each head that may build an index, evenly from the rows before the window.
   * @default 4096
   */
  readonly samples?: number;
}

/** The tokens of a head by their parts. */
export interface KeyParts {
  /** First token of the index. */
  readonly start: number;
  /** End of its tokens, where the window starts. */
  readonly end: number;
  /** Rows that ask, rising. */
  readonly asking: readonly number[];
}

/**
 * The parts of a recorded text.
 *
 * @throws {RangeError} when the text is too short or an option out of range
 */
export function keyParts({ keys, dim }: RecordedHead, options: KeySetOptions = {}): KeyParts {
  const { sink = 128, window = 512, rows = 128 } = options;
  const tokens = keys.length / dim;
  const half = Math.ceil(window / 2);
  if (tokens <= sink + window || rows < 1 || rows > half) {
    throw new RangeError(
      `Cannot try indexes as the text must be longer than sink and window, and rows be of 1 to ${half}: ` +
        `current value is ${tokens} tokens, ${rows} rows`,
    );
  }
  const asking = evenly(rows, half).map((row) => tokens - half + row);
  return { start: sink, end: tokens - window, asking };
}

/** `count` whole numbers below `bound`, evenly. */
export function evenly(count: number, bound: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((i + 0.5) * bound / count));
}

/** The set as it was recorded. */
export function recordedKeySet(head: RecordedHead, options: KeySetOptions = {}): KeySet {
  const parts = keyParts(head, options);
  const { dim, queries, scale } = head;
  const count = Math.min(options.samples ?? QUERY_SAMPLES, parts.end);
  const sampled = evenly(count, parts.end);
  return {
    ...{ source: "recorded", dim, heads: queries.length, scale },
    keys: head.keys.slice(parts.start * dim, parts.end * dim),
    samples: interleaved(queries.map((rows) => rowsOf(rows, sampled, dim)), dim),
    asks: interleaved(queries.map((rows) => rowsOf(rows, parts.asking, dim)), dim),
    staticLse: staticLse(head, parts),
  };
}

/** Some rows of `[rows, dim]`. */
export function rowsOf(all: Float32Array, rows: readonly number[], dim: number): Float32Array {
  const found = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => found.set(all.subarray(row * dim, (row + 1) * dim), i * dim));
  return found;
}

/** `[rows, heads, dim]` of the `[rows, dim]` of each head. */
export function interleaved(heads: readonly Float32Array[], dim: number): Float32Array {
  const rows = heads[0]!.length / dim;
  const all = new Float32Array(rows * heads.length * dim);
  for (const [head, one] of heads.entries()) {
    for (let row = 0; row < rows; row++) {
      all.set(one.subarray(row * dim, (row + 1) * dim), (row * heads.length + head) * dim);
    }
  }
  return all;
}

/** Rows turned by RoPE as if row `i` stood `shift(i)` tokens later. */
export function moved(
  rows: Float32Array,
  { dim, frequencies }: Pick<RecordedHead, "dim" | "frequencies">,
  shift: (row: number) => number,
): Float32Array {
  const out = rows.slice();
  const half = frequencies.length;
  for (let row = 0; row < rows.length / dim; row++) {
    const by = shift(row);
    for (let i = 0; i < half; i++) {
      const [a, b] = [row * dim + i, row * dim + i + half];
      const [cos, sin] = [Math.cos(by * frequencies[i]!), Math.sin(by * frequencies[i]!)];
      out[a] = rows[a]! * cos - rows[b]! * sin;
      out[b] = rows[b]! * cos + rows[a]! * sin;
    }
  }
  return out;
}

/** What asking rows give to the first tokens and to the window up to themselves, `[rows, heads]`. */
export function staticLse(head: RecordedHead, { start, end, asking }: KeyParts): Float64Array {
  const { dim, queries, keys, scale } = head;
  const scoreOf = (q: Float32Array, token: number, key: number) =>
    scale * product(q, token * dim, keys, key * dim, dim);
  return Float64Array.from({ length: asking.length * queries.length }, (_, at) => {
    const q = queries[at % queries.length]!;
    const token = asking[Math.floor(at / queries.length)]!;
    const scores = Array.from({ length: start }, (_, key) => scoreOf(q, token, key));
    for (let key = end; key <= token; key++) scores.push(scoreOf(q, token, key));
    return logSumExp(scores);
  });
}

/** `log(sum(exp(scores)))`. */
export function logSumExp(scores: readonly number[]): number {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  if (most === -Infinity) return most;
  return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
}

function product(a: Float32Array, i: number, b: Float32Array, j: number, count: number): number {
  let sum = 0;
  for (let x = 0; x < count; x++) sum += a[i + x]! * b[j + x]!;
  return sum;
}
