/** Seeded random data: the same seed gives the same numbers everywhere. */

/** A small generator (mulberry32); good enough for test data, not for statistics or secrets. */
export class Random {
  #state: number;
  #spare: number | null = null;

  /** Starts from `seed`, any integer. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in `0 <= x < 1`. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in `min <= x <= max`. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** `true` with probability `probability`. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `values`. */
  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)]!;
  }

  /** A normally distributed number (Box-Muller). */
  normal(): number {
    const spare = this.#spare;
    this.#spare = null;
    if (spare !== null) return spare;
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `count` normally distributed numbers times `scale`, as f32. */
  normals(count: number, scale = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = scale * this.normal();
    return values;
  }

  /** `count` integers in `min <= x <= max`, as f32: sums and products of small ones are exact in every precision. */
  integers(count: number, min: number, max: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.integer(min, max));
  }

  /** `count` different integers in `min <= x <= max`, rising; all of them where there are fewer. */
  subset(count: number, min: number, max: number): number[] {
    const pool = Array.from({ length: Math.max(0, max - min + 1) }, (_, i) => min + i);
    for (let i = pool.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [pool[i], pool[j]] = [pool[j]!, pool[i]!];
    }
    return pool.slice(0, count).sort((a, b) => a - b);
  }
}
