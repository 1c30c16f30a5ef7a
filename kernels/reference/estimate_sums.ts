/** Sums of attention probabilities by key, by distance, and by block along antidiagonals. */
import { type Kv, kvHeadOf, type Queries, scoresOf } from "./attention.ts";
import { dot } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { Steps } from "./steps.ts";

/** How much some rows attend to each key and to each distance. */
export interface VerticalSlash {
  /** Sum over the rows of their probability of key j, `[n]`. */
  readonly vertical: Float32Array;
  /** Sum over the rows of their probability of the key that lies x before them, `[n]`. */
  readonly slash: Float32Array;
}

/**
 * Column and diagonal sums of the causal attention of rows `qStart ..` for one head (MInference):
 * `vertical[j] = sum_t a[t][j]; slash[x] = sum_t a[t][qStart + t - x]`. Both have one entry per key up to the last row.
 */
export function* verticalSlash(
  { q, heads, dim, scale }: Queries,
  qStart: number,
  head: number,
  kv: Kv,
  { vertical, slash }: VerticalSlash,
): Steps {
  const [columns, diagonals] = [new Float64Array(vertical.length), new Float64Array(slash.length)];
  for (let t = 0; t < q.length / (heads * dim); t++) {
    const position = qStart + t;
    const keys = Array.from({ length: position + 1 }, (_, j) => j);
    const scores = scoresOf(q, (t * heads + head) * dim, scale, kvHeadOf(kv, heads, head), keys);
    const lse = logSumExp(scores);
    for (const j of keys) {
      const prob = Math.exp(scores[j]! - lse);
      columns[j]! += prob;
      diagonals[position - j]! += prob;
    }
    yield;
  }
  vertical.set(columns);
  slash.set(diagonals);
}

/** Cells and blocks of `antidiagonalScores`. */
export interface Antidiagonals {
  /** Tokens along a side of a cell. */
  readonly stride: number;
  /** Tokens along a side of a block, a multiple of `stride`. */
  readonly block: number;
}

/**
 * Block scores of one head from antidiagonal sums (XAttention). Cell (I, J) is
 * `s = scale / S sum_r q[I S + S - 1 - r] . k[J S + r]`, S the stride, with zeros for tokens beyond the last;
 * `out[R][C]` sums softmax_J over the cells of the block. A row of cells sees the cells that begin at or before its last token.
 */
export function* antidiagonalScores(
  { q, heads, dim, scale }: Queries,
  qStart: number,
  head: number,
  kv: Kv,
  { stride, block }: Antidiagonals,
  out: Float32Array,
): Steps {
  const tokens = q.length / (heads * dim);
  const length = qStart + tokens;
  const [side, kBlocks] = [block / stride, Math.ceil(length / block)];
  const sums = new Float64Array(out.length);
  const rows = { q, heads, dim, head, tokens, length };
  for (let row = 0; row < Math.ceil(tokens / stride); row++) {
    const last = Math.floor((Math.min(qStart + (row + 1) * stride, length) - 1) / stride);
    const scores = Float64Array.from(
      { length: last + 1 },
      (_, cell) =>
        scale / stride * antidiagonal(rows, kvHeadOf(kv, heads, head), row, cell, stride),
    );
    const lse = logSumExp(scores);
    const first = Math.floor(row / side) * kBlocks;
    for (const [cell, score] of scores.entries()) {
      sums[first + Math.floor(cell / side)]! += Math.exp(score - lse);
    }
    yield;
  }
  out.set(sums);
}

interface CellRows {
  readonly q: Float32Array;
  readonly heads: number;
  readonly dim: number;
  readonly head: number;
  readonly tokens: number;
  readonly length: number;
}

function antidiagonal(
  { q, heads, dim, head, tokens, length }: CellRows,
  kv: KvHead,
  row: number,
  cell: number,
  stride: number,
): number {
  let sum = 0;
  for (let r = 0; r < stride; r++) {
    const t = (row + 1) * stride - 1 - r;
    const key = cell * stride + r;
    if (t >= tokens || key >= length) continue;
    sum += dot(q, (t * heads + head) * dim, pageOf(kv, key).k, slotOf(kv, key), dim);
  }
  return sum;
}
