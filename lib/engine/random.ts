/** A source of random numbers: each call returns the next one, `0 <= x < 1`. */
export type Random = () => number;

/**
 * A seeded generator (xoshiro128**, its state filled by splitmix32). The same seed gives the same numbers everywhere.
 *
 * @param seed An integer; its low 32 bits count.
 */
export function seededRandom(seed: number): Random {
  if (!Number.isInteger(seed)) {
    throw new RangeError(
      `Cannot seed the generator as seed must be an integer: current value is ${seed}`,
    );
  }
  const next = splitmix32(seed);
  const state = Uint32Array.from({ length: 4 }, next);
  return () => xoshiro128(state) / 2 ** 32;
}

/** An integer `0 <= i < bound`. */
export function randomInt(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

/** Two normally distributed numbers (Box and Muller's), of two of the source's. */
export function normalPair(random: Random): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  const angle = 2 * Math.PI * random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** One of the entries of a list that is not empty. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[randomInt(random, list.length)] as T;
}

function splitmix32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x9e3779b9) | 0;
    let t = a ^ (a >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

// result = rotl(s1 * 5, 7) * 9; then the linear step of the xoshiro family
function xoshiro128(s: Uint32Array): number {
  const [s0, s1, s2, s3] = s as unknown as [number, number, number, number];
  const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
  const t2 = s2 ^ s0;
  const t3 = s3 ^ s1;
  s[0] = s0 ^ t3;
  s[1] = s1 ^ t2;
  s[2] = t2 ^ (s1 << 9);
  s[3] = rotate(t3, 11);
  return result;
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
