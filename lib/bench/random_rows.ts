/** Normal random data, fast enough for gigabytes. */
import { normalPair, type Random, randomInt, seededRandom } from "../engine/random.ts";

const POOL = 1 << 20;

/** Rows of normally distributed numbers: pieces of a million of them, from places drawn anew for each row. */
export class RandomRows {
  /** The numbers between 0 and 1 that everything is drawn from. */
  readonly random: Random;
  /** A million numbers, times each scale that was asked for. */
  readonly #pools = new Map<number, Float32Array>();

  /** Starts from `seed`, an integer. */
  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.#pools.set(1, normals(this.random, POOL));
  }

  /** `rows` rows of `width` numbers times `scale`. */
  rows(rows: number, width: number, scale = 1): Float32Array {
    const pool = this.#scaled(scale);
    const values = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const start = randomInt(this.random, POOL - width);
      values.set(pool.subarray(start, start + width), row * width);
    }
    return values;
  }

  #scaled(scale: number): Float32Array {
    const known = this.#pools.get(scale);
    if (known) return known;
    const pool = this.#pools.get(1)!.map((value) => scale * value);
    this.#pools.set(scale, pool);
    return pool;
  }

  /** `count` different whole numbers in `start .. end-1`, rising. */
  subset(count: number, start: number, end: number): number[] {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(count, end - start)) {
      chosen.add(start + randomInt(this.random, end - start));
    }
    return [...chosen].sort((a, b) => a - b);
  }
}

function normals(random: Random, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    values.set(normalPair(random), i);
  }
  return values;
}
