/** Blocks of tokens: their means, their channelwise bounds, and scores made of these. */
import { kvHeadNumber } from "./attention.ts";
import { dot } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { Steps } from "./steps.ts";

/** Largest finite float32. */
const MAX_FLOAT = (2 - 2 ** -23) * 2 ** 127;

/** Means of runs of `block` rows, of fewer at the end; rows `[T, width]`, out `[ceil(T / block), width]`. */
export function* poolRows(
  rows: Float32Array,
  width: number,
  block: number,
  out: Float32Array,
): Steps {
  const tokens = rows.length / width;
  for (let first = 0; first < tokens; first += block) {
    const count = Math.min(block, tokens - first);
    for (let i = 0; i < width; i++) {
      let sum = 0;
      for (let t = first; t < first + count; t++) sum += rows[t * width + i]!;
      out[first / block * width + i] = sum / count;
    }
    yield;
  }
}

/** A range of keys in blocks of `block`, of fewer at the end. */
export interface KeyRange {
  /** First key. */
  readonly start: number;
  /** First key that is not in it. */
  readonly end: number;
  /** Keys of a block. */
  readonly block: number;
}

/** Mean of each block of keys: out `[blocks, kvHeads, dim]`. */
export function* poolKeys(heads: readonly KvHead[], range: KeyRange, out: Float32Array): Steps {
  yield* forBlocks(heads, range, (channel, target) => {
    out[target] = channel.reduce((sum, x) => sum + x, 0) / channel.length;
  });
}

/** Least and largest value of each channel in each block of keys: min, max `[blocks, kvHeads, dim]`. */
export function* keyBounds(
  heads: readonly KvHead[],
  range: KeyRange,
  min: Float32Array,
  max: Float32Array,
): Steps {
  yield* forBlocks(heads, range, (channel, target) => {
    min[target] = channel.reduce((low, x) => Math.min(low, x));
    max[target] = channel.reduce((high, x) => Math.max(high, x));
  });
}

function* forBlocks(
  heads: readonly KvHead[],
  { start, end, block }: KeyRange,
  use: (channel: readonly number[], target: number) => void,
): Steps {
  for (let first = start; first < end; first += block) {
    const keys = Array.from({ length: Math.min(block, end - first) }, (_, j) => first + j);
    for (const [h, head] of heads.entries()) {
      for (let i = 0; i < head.dim; i++) {
        const channel = keys.map((key) => pageOf(head, key).k[slotOf(head, key) + i]!);
        use(channel, ((first - start) / block * heads.length + h) * head.dim + i);
      }
      yield;
    }
  }
}

/** Rows of one vector per block and head, `[blocks, heads, dim]`. */
export interface BlockRows {
  /** `[blocks, heads, dim]` */
  readonly data: Float32Array;
  /** Heads. */
  readonly heads: number;
  /** Head dimension. */
  readonly dim: number;
}

/** How `blockScores` treats its pairs of blocks. */
export interface BlockScoring {
  /** Factor of `q . k`. */
  readonly scale: number;
  /** Token of the first row of the first block of queries. */
  readonly qStart: number;
  /** Tokens of a block. */
  readonly block: number;
  /** Whether rows become probabilities. */
  readonly softmax: boolean;
}

/**
 * `scale q[R] . k[C]` of one query head for the blocks C that begin at or before the last token of R, `-Infinity` for others;
 * or the softmax of it over C. out `[qBlocks, kBlocks]`.
 */
export function* blockScores(
  q: BlockRows,
  head: number,
  k: BlockRows,
  { scale, qStart, block, softmax }: BlockScoring,
  out: Float32Array,
): Steps {
  const { dim } = q;
  const kvHead = kvHeadNumber(head, q.heads, k.heads);
  const kBlocks = k.data.length / (k.heads * dim);
  for (let row = 0; row < out.length / kBlocks; row++) {
    const isSeen = (column: number) => column * block < qStart + (row + 1) * block;
    const first = (row * q.heads + head) * dim;
    const scores = Float64Array.from(
      { length: kBlocks },
      (_, x) =>
        isSeen(x)
          ? scale * dot(q.data, first, k.data, (x * k.heads + kvHead) * dim, dim)
          : -Infinity,
    );
    const lse = softmax ? logSumExp(scores) : 0;
    out.set(softmax ? scores.map((score) => Math.exp(score - lse)) : scores, row * kBlocks);
    yield;
  }
}

/**
 * `bounds[b] = sum_i max(q[i] min[b][i], q[i] max[b][i])` of one query head, `[blocks]`, rounded upwards; the query starts
 * at `q[first]`.
 */
export function boundScores(
  q: Float32Array,
  first: number,
  kvHead: number,
  min: BlockRows,
  max: BlockRows,
): Float32Array {
  const { heads, dim } = min;
  return Float32Array.from({ length: min.data.length / (heads * dim) }, (_, b) => {
    let sum = 0;
    for (let i = 0; i < dim; i++) {
      const [x, at] = [q[first + i]!, (b * heads + kvHead) * dim + i];
      sum = addUpwards(sum, Math.max(x * min.data[at]!, x * max.data[at]!));
    }
    return toFloatUpwards(sum);
  });
}

/** A sum that is not below the exact one (by Knuth's two-sum), and equals it where float64 holds that. */
function addUpwards(a: number, b: number): number {
  const sum = a + b;
  const part = sum - a;
  const lost = (a - (sum - part)) + (b - part);
  return lost > 0 ? sum + Math.abs(sum) * Number.EPSILON : sum;
}

/** A float32 that is not below `x`. */
function toFloatUpwards(x: number): number {
  const near = Math.max(Math.fround(x), -MAX_FLOAT);
  return near < x ? Math.fround(near + Math.max(Math.abs(near) * 2 ** -23, 2 ** -149)) : near;
}
