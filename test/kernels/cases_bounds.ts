/** That the bounds of blocks of keys bound: exact products, computed in integers. */
import { assert } from "@std/assert";
import fc from "fast-check";
import { Random } from "../random.ts";
import { boundsOf } from "./cases_estimates.ts";
import { Scope } from "./scope.ts";
import { type Subject, test } from "./subject.ts";

const KEYS = 60;
/** All float32 are integers of `2 ** -UNIT_BITS`. */
const UNIT_BITS = 149;

/** Registers the tests. */
export function boundCases(subject: Subject): void {
  test(subject, "boundScores() is never below the exact product with a key", async (backend) => {
    const shapes = fc.tuple(fc.constantFrom(20, 64, 80, 128), fc.constantFrom(1, 3));
    const property = fc.asyncProperty(fc.nat(), shapes, async (seed, [dim, block]) => {
      using scope = new Scope(backend);
      const random = new Random(seed);
      const [q, k] = [cancelling(random, dim, 1), cancelling(random, KEYS * dim, -1)];
      const scores = await boundsOfRows(scope, q, k, block);
      for (let key = 0; key < KEYS; key++) {
        const bound = scores[Math.floor(key / block)]!;
        const exact = exactDot(q, k.subarray(key * dim, (key + 1) * dim));
        assert(
          Number.isFinite(bound) && exactly(bound) << BigInt(UNIT_BITS) >= exact,
          `key ${key}: ${bound}`,
        );
      }
    });
    await fc.assert(property, { seed: 7, numRuns: 25 });
  });
  test(subject, "boundScores() holds where products are beyond f32", async (backend) => {
    using scope = new Scope(backend);
    const q = Float32Array.from({ length: 32 }, (_, i) => i < 2 ? 1e30 : 1);
    const keyOf = (a: number, b: number, c: number) =>
      Float32Array.from({ length: 32 }, (_, i) => [a, b, c][i] ?? 0);
    const keys = [keyOf(1e30, -1e30, 5), keyOf(-1e30, -1e30, 5), keyOf(1e-45, 0, 1e-45)];
    const k = Float32Array.from(keys.flatMap((key) => [...key]));
    const scores = await boundsOfRows(scope, q, k, 1);
    assert(scores[0]! >= 5, `${scores[0]}`);
    assert(Number.isFinite(scores[1]) && scores[1]! < -1e38, `${scores[1]}`);
    assert(scores[2]! >= 1e-15, `${scores[2]}`);
  });
}

/** Bounds of blocks of keys `[keys, dim]` with one query. */
async function boundsOfRows(
  scope: Scope,
  q: Float32Array,
  k: Float32Array,
  block: number,
): Promise<Float32Array> {
  const dim = q.length;
  const kv = await scope.kv({ k, v: k, length: k.length / dim, kvHeads: 1, dim });
  const bounds = await boundsOf(scope, kv, 0, block);
  return await scope.backend.boundScores(scope.tensor([1, 1, dim], q), 0, [0], bounds);
}

/** Numbers of all sizes whose products with such ones of the other sign cancel in pairs but for some last bits. */
function cancelling(random: Random, count: number, sign: number): Float32Array {
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    numbers[i] = random.normal() * 2 ** random.integer(-30, 30);
    numbers[i + 1] = sign * numbers[i]! * (1 + random.integer(-2, 2) * 2 ** -23);
  }
  return numbers;
}

/** A float32 in units of `2 ** -UNIT_BITS`. */
function exactly(x: number): bigint {
  return BigInt(x * 2 ** UNIT_BITS);
}

/** A dot product in units of the square of that. */
function exactDot(a: Float32Array, b: Float32Array): bigint {
  let sum = 0n;
  for (const [i, x] of a.entries()) sum += exactly(x) * exactly(b[i]!);
  return sum;
}
