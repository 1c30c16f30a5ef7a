/** Some of the queries of a prefill, layer by layer: what a graph is built by. */
import type { Tensor } from "../../ffi/backend.ts";
import { damaged } from "./check_saved.ts";
import type { SampledQueries } from "./kv_index.ts";

/** Kept queries as data; the rows must not be changed. */
export interface SavedQueries {
  /** Every how many positions a query is kept. */
  readonly stride: number;
  /** Positions of the kept ones, rising. */
  readonly positions: readonly number[];
  /** Queries `[heads, dim]` of each position. */
  readonly rows: readonly Float32Array<ArrayBuffer>[];
}

/**
 * Keeps every `stride`-th query of each head, evenly over all positions. When there are more than `most`, every second is given
 * up and the stride doubles, so that what is kept depends on positions only, not on how a text was cut.
 */
export class QuerySamples implements SampledQueries {
  readonly #most: number;
  #stride = 1;
  #positions: number[] = [];
  #rows: Float32Array<ArrayBuffer>[] = [];
  #dim = 0;

  /** At most `most` queries of each head; 0 for none. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * At most `most` of the queries that were saved, of `dim` numbers a head.
   *
   * @throws {RangeError} when their positions are none that it keeps
   */
  static load(most: number, dim: number, saved: SavedQueries): QuerySamples {
    const { stride, positions, rows } = saved;
    const wrong = positions.findIndex((at, i) =>
      at % stride !== 0 || at <= (positions[i - 1] ?? -1)
    );
    if (wrong >= 0) {
      throw damaged(`positions of queries must be rising multiples of ${stride}`, positions[wrong]);
    }
    const samples = new QuerySamples(most);
    if (most === 0) return samples;
    samples.#stride = stride;
    samples.#positions = [...positions];
    samples.#rows = [...rows];
    samples.#dim = dim;
    while (samples.count > most) samples.#thin();
    return samples;
  }

  /** Those of tokens before `length`, as data. */
  save(length: number): SavedQueries {
    const kept = this.#positions.findIndex((position) => position >= length);
    const count = kept < 0 ? this.count : kept;
    return {
      stride: this.#stride,
      positions: this.#positions.slice(0, count),
      rows: this.#rows.slice(0, count),
    };
  }

  /** Queries of a head. */
  get count(): number {
    return this.#rows.length;
  }

  /** Bytes that they take. */
  get sizeBytes(): number {
    return this.#rows.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Takes what it keeps of queries `[rows, heads, dim]` of tokens `start ..`. */
  add(q: Tensor, start: number): void {
    if (this.#most === 0) return;
    this.truncate(start); // a chunk that was given up is read again
    const [rows = 0, heads = 0, dim = 0] = q.shape;
    this.#dim = dim;
    const width = heads * dim;
    const all = q.read();
    const end = start + rows;
    for (let at = this.#next(start); at < end; at = this.#next(at + 1)) {
      while (at % this.#stride === 0 && this.count === this.#most) this.#thin();
      if (at % this.#stride !== 0) continue;
      const first = (at - start) * width;
      this.#positions.push(at);
      this.#rows.push(all.slice(first, first + width) as Float32Array<ArrayBuffer>);
    }
  }

  /** Those of one head, `[count, dim]`. */
  head(head: number): Float32Array<ArrayBuffer> {
    const dim = this.#dim;
    const found = new Float32Array(this.count * dim);
    this.#rows.forEach((row, i) => {
      found.set(row.subarray(head * dim, (head + 1) * dim), i * dim);
    });
    return found;
  }

  /** The same queries for another session; what is added later is each one's own. */
  fork(): QuerySamples {
    const fork = new QuerySamples(this.#most);
    fork.#stride = this.#stride;
    fork.#positions = [...this.#positions];
    fork.#rows = [...this.#rows];
    fork.#dim = this.#dim;
    return fork;
  }

  /** Forgets queries of tokens from `length` on. */
  truncate(length: number): void {
    const kept = this.#positions.findIndex((position) => position >= length);
    if (kept < 0) return;
    this.#positions.length = kept;
    this.#rows.length = kept;
  }

  /** The first position from `position` on that is kept. */
  #next(position: number): number {
    return Math.ceil(position / this.#stride) * this.#stride;
  }

  #thin(): void {
    this.#stride *= 2;
    const kept = this.#positions.map((position) => position % this.#stride === 0);
    this.#rows = this.#rows.filter((_, i) => kept[i]);
    this.#positions = this.#positions.filter((_, i) => kept[i]);
  }
}
