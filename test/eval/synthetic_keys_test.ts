import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { keyParts, type KeySet, moved, recordedKeySet } from "../../lib/eval/key_set.ts";
import type { RecordedHead } from "../../lib/eval/recorded_heads.ts";
import { SyntheticKeys } from "../../lib/eval/synthetic_keys.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { randomHead } from "./recorded_head.ts";

const ignore = await compilerOrNull() === null;
const PARTS = { sink: 8, window: 32, rows: 16, samples: 100 };
const TOKENS = 1640;
const KEYS = TOKENS - 40;

/** Mean and covariance of `[rows, dim]`. */
function momentsOf(rows: Float32Array, dim: number): { mean: number[]; covariance: number[] } {
  const count = rows.length / dim;
  const at = (row: number, i: number) => rows[row * dim + i]!;
  const sum = (value: (row: number) => number) => {
    let total = 0;
    for (let row = 0; row < count; row++) total += value(row);
    return total / count;
  };
  const mean = Array.from({ length: dim }, (_, i) => sum((row) => at(row, i)));
  const covariance = Array.from({ length: dim * dim }, (_, x) => {
    const [i, j] = [Math.floor(x / dim), x % dim];
    return sum((row) => (at(row, i) - mean[i]!) * (at(row, j) - mean[j]!));
  });
  return { mean, covariance };
}

/** Eigenvalues of a symmetric matrix, falling, by Jacobi's rotations. */
function eigenvalues(matrix: readonly number[], size: number): number[] {
  const a = [...matrix];
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotate(a, size, p, q);
    }
  }
  return Array.from({ length: size }, (_, i) => a[i * size + i]!).sort((x, y) => y - x);
}

/** Makes element `(p, q)` zero. */
function rotate(a: number[], size: number, p: number, q: number): void {
  const angle = Math.atan2(2 * a[p * size + q]!, a[q * size + q]! - a[p * size + p]!) / 2;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const turn = (i: number, j: number) => {
    const [x, y] = [a[i]!, a[j]!];
    [a[i], a[j]] = [cos * x - sin * y, sin * x + cos * y];
  };
  for (let k = 0; k < size; k++) turn(p * size + k, q * size + k);
  for (let k = 0; k < size; k++) turn(k * size + p, k * size + q);
}

/** The `count` best scores of each ask, falling, in the mean over asks. */
function topScores({ keys, asks, dim }: KeySet, count: number): number[] {
  const sums = new Array<number>(count).fill(0);
  for (let q = 0; q < asks.length; q += dim) {
    const scores: number[] = [];
    for (let k = 0; k < keys.length; k += dim) {
      let score = 0;
      for (let i = 0; i < dim; i++) score += asks[q + i]! * keys[k + i]!;
      scores.push(score);
    }
    scores.sort((a, b) => b - a);
    sums.forEach((_, i) => sums[i]! += scores[i]! * dim / asks.length);
  }
  return sums;
}

/** The median distance from one of the first 100 rows to the nearest other row. */
function nearestDistance(rows: Float32Array, dim: number): number {
  const distances = Array.from({ length: 100 }, (_, a) => {
    let least = Infinity;
    for (let b = 0; b < rows.length / dim; b++) {
      let squares = 0;
      for (let i = 0; i < dim; i++) squares += (rows[a * dim + i]! - rows[b * dim + i]!) ** 2;
      if (a !== b) least = Math.min(least, squares);
    }
    return Math.sqrt(least);
  });
  return distances.sort((a, b) => a - b)[50]!;
}

function near(found: readonly number[], expected: readonly number[], share: number): void {
  found.forEach((value, i) => {
    const limit = share * Math.max(Math.abs(expected[i]!), 0.2);
    assertAlmostEquals(value, expected[i]!, limit, `${i}: ${found} for ${expected}`);
  });
}

Deno.test({
  name: "SyntheticKeys.draw() keeps mean and covariance spectrum of the recorded keys",
  ignore,
  async fn() {
    const head = randomHead(TOKENS, { turned: false });
    const synthetic = await SyntheticKeys.fit(head, PARTS);
    const recorded = recordedKeySet(head, PARTS);
    const expected = momentsOf(recorded.keys, head.dim);
    const found = momentsOf(synthetic.draw(4 * KEYS).keys, head.dim);
    near(found.mean, expected.mean, 0.15);
    const spectrum = eigenvalues(expected.covariance, head.dim);
    near(eigenvalues(found.covariance, head.dim), spectrum, 0.15);
    assert(spectrum[0]! > 5 * spectrum.at(-1)!);
  },
});

Deno.test({
  name: "SyntheticKeys.draw() keeps the best scores and the distance of the nearest keys",
  ignore,
  async fn() {
    const head = randomHead(TOKENS, { turned: false });
    const synthetic = await SyntheticKeys.fit(head, PARTS);
    const [recorded, drawn] = [recordedKeySet(head, PARTS), synthetic.draw(KEYS)];
    near(topScores(drawn, 20), topScores(recorded, 20), 0.07);
    const ratio = nearestDistance(drawn.keys, 8) / nearestDistance(recorded.keys, 8);
    assert(ratio > 0.75 && ratio < 1.15, `${ratio}`);
  },
});

Deno.test({
  name: "SyntheticKeys.draw() lets nearest keys come closer as a density does, not as repeats do",
  ignore,
  async fn() {
    // Of d-dimensional data, 8 times as many are 8^(1/d) times as near: here of twice as many recorded keys as an oracle.
    const distanceOf = async (recorded: number, drawn: number) => {
      const head = randomHead(recorded + 40, { turned: false });
      const synthetic = await SyntheticKeys.fit(head, PARTS);
      return nearestDistance(synthetic.draw(drawn).keys, 8);
    };
    const oracle = nearestDistance(
      recordedKeySet(randomHead(6440, { turned: false }), PARTS).keys,
      8,
    );
    const ratio = await distanceOf(800, 6400) / oracle;
    assert(ratio > 0.65 && ratio < 1.15, `${ratio}`);
  },
});

Deno.test({
  name: "SyntheticKeys.draw() without smoothing repeats recorded keys at other positions",
  ignore,
  async fn() {
    const head = randomHead(340);
    const synthetic = await SyntheticKeys.fit(head, { ...PARTS, smoothing: 0 });
    const { keys } = synthetic.draw(500);
    const unturned = moved(keys, head, (row) => -(PARTS.sink + row));
    const contents = moved(head.keys, head, (row) => -row).subarray(8 * PARTS.sink, 8 * 308);
    for (let row = 0; row < 500; row += 7) {
      const own = unturned.subarray(row * 8, (row + 1) * 8);
      const isKnown = Array.from({ length: 300 }, (_, known) => known)
        .some((known) => own.every((x, i) => Math.abs(x - contents[known * 8 + i]!) < 1e-3));
      assert(isKnown, `row ${row}`);
    }
  },
});

Deno.test({
  name: "SyntheticKeys.draw() depends on the seed alone",
  ignore,
  async fn() {
    const head = randomHead(340);
    const draw = async (seed: number) => (await SyntheticKeys.fit(head, PARTS)).draw(200, seed);
    const [first, again, other] = [await draw(3), await draw(3), await draw(4)];
    assertEquals(first, again);
    assert(first.keys.some((x, i) => x !== other.keys[i]));
  },
});

Deno.test({
  name: "SyntheticKeys.draw() moves asks to the end, and leaves them where positions stay",
  ignore,
  async fn() {
    const head = randomHead(340);
    const { asks } = recordedKeySet(head, PARTS);
    const longer = (await SyntheticKeys.fit(head, PARTS)).draw(1000);
    const dim = { dim: 8, frequencies: head.frequencies };
    near([...longer.asks], [...moved(asks, dim, () => 700)], 1e-3);
    const same = await SyntheticKeys.fit(head, { ...PARTS, positions: "recorded" });
    near([...same.draw(1000).asks], [...asks], 1e-3);
  },
});

Deno.test("moved() changes no product of two rows that move together", () => {
  const head = randomHead(2);
  const [q, k] = [head.queries[0]!, head.keys];
  const product = (a: Float32Array, b: Float32Array) =>
    a.subarray(0, 8).reduce((sum, x, i) => sum + x * b[8 + i]!, 0);
  const by = (shift: number) => product(moved(q, head, () => shift), moved(k, head, () => shift));
  assertAlmostEquals(by(12345), product(q, k), 1e-3);
  assert(Math.abs(product(moved(q, head, () => 100), k) - product(q, k)) > 1e-2);
});

Deno.test("recordedKeySet() adds up with its static part to the attention of the whole row", () => {
  const head = randomHead(200);
  const set = recordedKeySet(head, PARTS);
  const { asking } = keyParts(head, PARTS);
  const token = asking.at(-1)!;
  const exps = (keys: Float32Array, end: number) => sumOfExps(head, token, keys, end);
  const whole = exps(head.keys, token + 1);
  const indexed = exps(set.keys, set.keys.length / 8);
  const outside = Math.exp(set.staticLse.at(-2)!);
  assertAlmostEquals((indexed + outside) / whole, 1, 1e-6);
  assert(outside / whole > 0.01 && outside / whole < 0.99);
});

/** Of the first query head at `token`. */
function sumOfExps(head: RecordedHead, token: number, keys: Float32Array, end: number): number {
  let sum = 0;
  for (let key = 0; key < end; key++) {
    let score = 0;
    for (let i = 0; i < 8; i++) score += head.queries[0]![token * 8 + i]! * keys[key * 8 + i]!;
    sum += Math.exp(head.scale * score);
  }
  return sum;
}

Deno.test("key sets refuse texts that are too short and options out of range", async () => {
  const head = randomHead(200);
  assertThrows(() => recordedKeySet(head, { sink: 100, window: 100 }), RangeError, "200 tokens");
  assertThrows(() => recordedKeySet(head, { ...PARTS, rows: 17 }), RangeError, "of 1 to 16");
  const fit = (options: object) => SyntheticKeys.fit(head, { ...PARTS, ...options });
  await assertRejects(() => fit({ neighbours: 161 }), RangeError, "neighbours must be");
  await assertRejects(() => fit({ smoothing: 1.5 }), RangeError, "smoothing must be of 0 to 1");
});
