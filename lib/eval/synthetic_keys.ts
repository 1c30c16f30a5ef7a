/**
 * Key sets of any size with the statistics of a recorded head.
 *
 * A key is `R(p) x`: content `x` that RoPE turns by its position. Contents of a long text are drawn from a smooth density that is
 * estimated from the recorded ones, and turned by positions as far as the long text goes:
 *
 *     x = m + sqrt(1 - h) (x_i - m) + sqrt(h / k) sum_j g_j (x_j - m)      i any recorded key, j its k nearest, g_j normal
 *
 * with `m` the mean of the `k` nearest. The spread around a key is that of its neighbours, along as many directions as they differ
 * in, so mean, covariance, clusters and local dimension are kept (the shrinkage is Liu and West's, 2001). Queries are recorded
 * ones, moved: those that build an index to positions all over the long text, those that ask to its end. What they give to the
 * first tokens and to their window is as recorded: a head that a sink holds back at the recorded length does so at any.
 */
import { KeyIndex } from "../engine/key_index.ts";
import { normalPair, type Random, randomInt, seededRandom } from "../engine/random.ts";
import { QUERY_SAMPLES } from "../engine/session_defaults.ts";
import {
  evenly,
  interleaved,
  type KeyParts,
  keyParts,
  type KeySet,
  type KeySetOptions,
  moved,
  rowsOf,
  staticLse,
} from "./key_set.ts";
import type { RecordedHead } from "./recorded_heads.ts";

/** Options of {@link SyntheticKeys}. */
export interface SyntheticKeysOptions extends KeySetOptions {
  /**
   * Nearest recorded keys that a key is drawn among, `k`.
   * @default 16
   */
  readonly neighbours?: number;
  /**
   * Part of the variance around the mean of the neighbours that is drawn anew, `h`: 0 repeats recorded keys, 1 forgets them.
   * @default 0.5
   */
  readonly smoothing?: number;
  /**
   * Positions of the keys: as far as so many keys go, as in a longer text, or spread over those that were recorded, as if RoPE
   * turned the more slowly the longer a text is.
   * @default "longer"
   */
  readonly positions?: "longer" | "recorded";
}

/** Draws key sets of any size like a recorded head. */
export class SyntheticKeys {
  readonly #head: RecordedHead;
  readonly #parts: KeyParts;
  readonly #options: Required<SyntheticKeysOptions>;
  /** Recorded keys as at position 0, `[count, dim]`. */
  readonly #contents: Float32Array;
  /** `[count, neighbours]` */
  readonly #nearest: Int32Array;

  private constructor(
    head: RecordedHead,
    parts: KeyParts,
    options: Required<SyntheticKeysOptions>,
    contents: Float32Array,
    nearest: Int32Array,
  ) {
    this.#head = head;
    this.#parts = parts;
    this.#options = options;
    this.#contents = contents;
    this.#nearest = nearest;
  }

  /**
   * Learns from a recorded head. Takes as many scores as there are pairs of keys.
   *
   * @throws {RangeError} when an option is out of range
   */
  static async fit(
    head: RecordedHead,
    options: SyntheticKeysOptions = {},
  ): Promise<SyntheticKeys> {
    const filled = { ...DEFAULTS, ...options };
    const parts = keyParts(head, filled);
    const { start, end } = parts;
    check(filled, end - start);
    const keys = head.keys.subarray(start * head.dim, end * head.dim);
    const contents = moved(keys, head, (row) => -(start + row));
    const nearest = await nearestRows(contents, head.dim, filled.neighbours);
    return new SyntheticKeys(head, parts, filled, contents, nearest);
  }

  /** A set of `count` keys; the same seed draws the same. */
  draw(count: number, seed = 0): KeySet {
    const { dim, queries, scale } = this.#head;
    const { start, end, asking } = this.#parts;
    const random = seededRandom(seed);
    const stretch = this.#options.positions === "longer" ? 1 : (end - start) / count;
    const positionOf = (row: number) => start + Math.floor(row * stretch);
    const shift = positionOf(count) - end;
    const contents = this.#contentsOf(count, random);
    const asks = queries.map((rows) => moved(rowsOf(rows, asking, dim), this.#head, () => shift));
    return {
      ...{ source: "synthetic", dim, heads: queries.length, scale },
      keys: moved(contents, this.#head, positionOf),
      samples: this.#samples(positionOf(count), random),
      asks: interleaved(asks, dim),
      staticLse: staticLse(this.#head, this.#parts),
    };
  }

  #contentsOf(count: number, random: Random): Float32Array {
    const { dim } = this.#head;
    const { neighbours, smoothing } = this.#options;
    const known = this.#contents.length / dim;
    const drawn = new Float32Array(count * dim);
    const weights = new Float64Array(neighbours);
    for (let row = 0; row < count; row++) {
      const own = randomInt(random, known);
      drawWeights(weights, smoothing, random);
      const out = drawn.subarray(row * dim, (row + 1) * dim);
      addRow(out, this.#contents, own, Math.sqrt(1 - smoothing));
      weights.forEach((weight, j) =>
        addRow(out, this.#contents, this.#nearest[own * neighbours + j]!, weight)
      );
    }
    return drawn;
  }

  /** Recorded queries at positions below `end`, evenly; the same rows for all heads. */
  #samples(end: number, random: Random): Float32Array {
    const { dim, queries } = this.#head;
    const positions = evenly(Math.min(this.#options.samples, end), end);
    const rows = positions.map(() => randomInt(random, this.#parts.end));
    const all = queries.map((q) =>
      moved(rowsOf(q, rows, dim), this.#head, (i) => positions[i]! - rows[i]!)
    );
    return interleaved(all, dim);
  }
}

const DEFAULTS: Required<SyntheticKeysOptions> = {
  ...{ sink: 128, window: 512, rows: 128, samples: QUERY_SAMPLES },
  ...{ neighbours: 16, smoothing: 0.5, positions: "longer" },
};

function check({ neighbours, smoothing }: Required<SyntheticKeysOptions>, keys: number): void {
  if (!Number.isInteger(neighbours) || neighbours < 1 || neighbours > keys) {
    throw new RangeError(
      `Cannot draw keys as neighbours must be a whole number of 1 to ${keys}: current value is ${neighbours}`,
    );
  }
  if (smoothing >= 0 && smoothing <= 1) return;
  throw new RangeError(
    `Cannot draw keys as smoothing must be of 0 to 1: current value is ${smoothing}`,
  );
}

/** What each neighbour is multiplied by, the mean of all taken away: they and `sqrt(1 - h)` add up to 1. */
function drawWeights(weights: Float64Array, smoothing: number, random: Random): void {
  const count = weights.length;
  const spread = Math.sqrt(smoothing / count);
  for (let j = 0; j < count; j++) weights[j] = spread * normalPair(random)[0];
  const rest = 1 - Math.sqrt(1 - smoothing) - weights.reduce((sum, weight) => sum + weight, 0);
  for (let j = 0; j < count; j++) weights[j]! += rest / count;
}

function addRow(out: Float32Array, rows: Float32Array, row: number, weight: number): void {
  const first = row * out.length;
  for (let i = 0; i < out.length; i++) out[i]! += weight * rows[first + i]!;
}

/**
 * The rows nearest to each row by L2, itself among them: `|x - y|^2` is least where `x.y - |y|^2 / 2` is most, an inner product
 * of `(x, 1)` and `(y, -|y|^2 / 2)`.
 */
async function nearestRows(rows: Float32Array, dim: number, count: number): Promise<Int32Array> {
  const wide = dim + 1;
  const keys = withNorms(rows, dim);
  using index = await KeyIndex.build({ keys, heads: 1, kvHeads: 1, dim: wide }, { index: "exact" });
  const nearest = new Int32Array(rows.length / dim * count);
  for (let row = 0; row < index.length; row++) {
    const q = keys.slice(row * wide, (row + 1) * wide);
    q[dim] = 1;
    const [found] = await index.search(q, { topK: count });
    nearest.set(found!.indices, row * count);
  }
  return nearest;
}

/** Rows less their mean, so that norms are small, each followed by half its squared norm, negative. */
function withNorms(rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim;
  const mean = new Float64Array(dim);
  for (let x = 0; x < rows.length; x++) mean[x % dim]! += rows[x]! / count;
  const keys = new Float32Array(count * (dim + 1));
  for (let row = 0; row < count; row++) {
    let squares = 0;
    for (let i = 0; i < dim; i++) {
      const value = rows[row * dim + i]! - mean[i]!;
      keys[row * (dim + 1) + i] = value;
      squares += value * value;
    }
    keys[row * (dim + 1) + dim] = -squares / 2;
  }
  return keys;
}
