/** What a method may ask about a chunk's queries, computed by the backend, and what that costs. */
import type { Backend, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import type {
  AntidiagonalOptions,
  BlockScoreOptions,
  BlockScores,
  Estimates,
  VerticalSlash,
} from "../attention/method.ts";
import type { SearchCost } from "./planner.ts";

/** The queries of a chunk and the keys up to its last row. */
export interface Chunk {
  /** `[rows, heads, dim]` */
  readonly q: Tensor;
  /** Place of the first row. */
  readonly qStart: number;
  /** Keys and values, the chunk's included. */
  readonly kv: KvView;
  /** Multiplies q.k. */
  readonly scale: number;
  /** Cancels the calls. */
  readonly control: RunControl;
}

/** Estimates of one chunk in one layer. */
export class ChunkEstimates implements Estimates {
  /** What they cost each query head so far. */
  readonly costs: SearchCost[];
  readonly #backend: Backend;
  readonly #chunk: Chunk;

  /** Nothing is computed until it is asked for. */
  constructor(backend: Backend, chunk: Chunk) {
    this.#backend = backend;
    this.#chunk = chunk;
    this.costs = Array.from({ length: chunk.q.shape[1]! }, () => ({ scanned: 0, ms: 0 }));
  }

  /** Sums of rows near the end. */
  verticalSlash(
    heads: readonly number[],
    rows: number,
    skipped = 0,
  ): Promise<readonly VerticalSlash[]> {
    const { q, kv, scale, control } = this.#chunk;
    const end = q.shape[0]! - skipped;
    const first = Math.max(end - rows, 0);
    const start = this.#chunk.qStart + first;
    return this.#counted(heads, pairs(start, end - first), () => {
      const some = q.rows(first, end - first);
      return this.#backend.verticalSlash(some, start, heads, scale, kv, control);
    });
  }

  /** Scores by the means of blocks. */
  blockScores(
    heads: readonly number[],
    { block, softmax, last = false }: BlockScoreOptions,
  ): Promise<BlockScores> {
    const { kv, scale, control } = this.#chunk;
    const { q, qStart } = last ? this.#lastRows(block) : this.#chunk;
    const { rows, columns } = blocksOf(q, kv, block);
    return this.#counted(heads, rows * columns, async () => {
      const [, queryHeads, dim] = q.shape as [number, number, number];
      const pooled = this.#backend.tensor([rows, queryHeads, dim]);
      const keys = this.#backend.tensor([columns, kv.table.kvHeads, dim]);
      try {
        await this.#backend.poolQueries(q, block, pooled, control);
        await this.#backend.poolKeys(kv, 0, block, keys, control);
        const blocks = { q: pooled, k: keys, qStart, block };
        const factor = softmax ? scale : 1;
        const scores = await this.#backend.blockScores(blocks, heads, factor, softmax, control);
        return { scores, rows, columns };
      } finally {
        pooled.close();
        keys.close();
      }
    });
  }

  /** Scores along antidiagonals. */
  antidiagonalScores(
    heads: readonly number[],
    { block, stride, norm }: AntidiagonalOptions,
  ): Promise<BlockScores> {
    const { q, qStart, kv, scale, control } = this.#chunk;
    const { rows, columns } = blocksOf(q, kv, block);
    const scanned = Math.ceil(pairs(qStart, q.shape[0]!) / stride);
    return this.#counted(heads, scanned, async () => {
      const scores = await this.#backend
        .antidiagonalScores(q, qStart, heads, scale / norm, kv, stride, block, control);
      return { scores, rows, columns };
    });
  }

  #lastRows(count: number) {
    const { q, qStart } = this.#chunk;
    const first = Math.max(q.shape[0]! - count, 0);
    return { q: q.rows(first, q.shape[0]! - first), qStart: qStart + first };
  }

  async #counted<T>(
    heads: readonly number[],
    scanned: number,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const began = performance.now();
    const result = await work();
    const ms = performance.now() - began;
    for (const head of heads) {
      const before = this.costs[head]!;
      this.costs[head] = { scanned: before.scanned + scanned, ms: before.ms + ms };
    }
    return result;
  }
}

function blocksOf(q: Tensor, kv: KvView, block: number) {
  return { rows: Math.ceil(q.shape[0]! / block), columns: Math.ceil(kv.length / block) };
}

/** Pairs of a query and a key up to it, of rows `qStart .. qStart+rows-1`. */
function pairs(qStart: number, rows: number): number {
  return rows * qStart + rows * (rows + 1) / 2;
}
