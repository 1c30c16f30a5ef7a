/** Estimates of attention against the reference, and what must hold of them whatever the data. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { DType, KeyBounds, KvDType, KvView, Tensor } from "../../ffi/backend.ts";
import { Random } from "../random.ts";
import { boundScoresOutcome } from "./bound_outcome.ts";
import { type KvData, Scope } from "./scope.ts";
import { type AttentionShape, attentionShapes, randomKv } from "./shapes.ts";
import { parity, property, type Subject, test } from "./subject.ts";
import { type Outcome, TOLERANCE, upwardsTolerance } from "./tolerance.ts";

const DTYPES = fc.constantFrom<DType>("f32", "bf16");

/** Registers the tests. */
export function estimateCases(subject: Subject): void {
  sumCases(subject);
  antidiagonalCases(subject);
  blockCases(subject);
  boundCases(subject);
  repeatCases(subject);
}

function sumCases(subject: Subject): void {
  parity(subject, "verticalSlash() equals the reference", {
    runs: 30,
    shapes: fc.tuple(attentionShapes, DTYPES),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, [shape, dtype]) =>
      await sums(scope, await inputs(scope, random, shape, { dtype }), random),
  });
  parity(subject, "verticalSlash() equals the reference over several spans of keys", {
    runs: 3,
    shapes: fc.record({
      tokens: fc.constantFrom(1, 64, 100),
      kvLength: fc.constantFrom(2048, 2049, 4500),
      kvHeads: fc.constant(1),
      group: fc.constant(2),
      dim: fc.constant(20),
    }),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, shape) =>
      await sums(scope, await inputs(scope, random, shape), random),
  });
  parity(subject, "verticalSlash() equals the reference on scores of some hundreds", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.largeScores,
    work: async (scope, random, shape) =>
      await sums(scope, await inputs(scope, random, shape, { sharpness: 100 }), random),
  });
  property(subject, "verticalSlash() adds up to the number of rows", {
    ...{ runs: 20, seed: 5, shapes: attentionShapes },
    check: async (scope, random, shape) => {
      const { q, kv, qStart, scale } = await inputs(scope, random, shape);
      const sum = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0);
      for (const one of await scope.backend.verticalSlash(q, qStart, [0], scale, kv)) {
        assertAlmostEquals(sum(one.vertical), shape.tokens, 1e-4 * shape.tokens);
        assertAlmostEquals(sum(one.slash), shape.tokens, 1e-4 * shape.tokens);
      }
    },
  });
  test(subject, "verticalSlash() of equal scores spreads each row evenly", async (backend) => {
    using scope = new Scope(backend);
    const kv = await scope.kv(randomKv(new Random(1), { kvLength: 300, kvHeads: 1, dim: 32 }));
    const q = scope.tensor([3, 1, 32]);
    const [found] = await backend.verticalSlash(q, 297, [0], 1, kv);
    const wanted = Float64Array.from({ length: 300 }, (_, j) => {
      const rows = [298, 299, 300].filter((keys) => j < keys);
      return rows.reduce((sum, keys) => sum + 1 / keys, 0);
    });
    for (const [j, sum] of wanted.entries()) {
      assertAlmostEquals(found!.vertical[j]!, sum, 1e-8);
      assertAlmostEquals(found!.slash[j]!, sum, 1e-8);
    }
  });
}

function antidiagonalCases(subject: Subject): void {
  const sizes = fc.constantFrom([1, 1], [4, 16], [8, 128], [16, 128], [16, 64], [5, 15], [64, 64]);
  parity(subject, "antidiagonalScores() equals the reference", {
    runs: 30,
    shapes: fc.tuple(attentionShapes, DTYPES, sizes),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, [shape, dtype, cells]) =>
      await antidiagonals(scope, await inputs(scope, random, shape, { dtype }), cells),
  });
  parity(subject, "antidiagonalScores() equals the reference on many rows", {
    runs: 5,
    shapes: fc.tuple(fc.integer({ min: 300, max: 700 }), fc.constantFrom([4, 16], [8, 128])),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, [kvLength, cells]) => {
      const tokens = kvLength - random.pick([0, 0, 77]);
      const shape = { tokens, kvLength, kvHeads: 1, group: 2, dim: 20 };
      return await antidiagonals(scope, await inputs(scope, random, shape), cells);
    },
  });
  parity(subject, "antidiagonalScores() equals the reference on scores of some hundreds", {
    runs: 10,
    shapes: fc.tuple(attentionShapes, sizes),
    tolerance: TOLERANCE.largeScores,
    work: async (scope, random, [shape, cells]) =>
      await antidiagonals(scope, await inputs(scope, random, shape, { sharpness: 300 }), cells),
  });
  test(subject, "antidiagonalScores() adds up to the cells of each row", async (backend) => {
    using scope = new Scope(backend);
    const shape = { tokens: 333, kvLength: 400, kvHeads: 1, group: 1, dim: 20 };
    const { q, kv, qStart, scale } = await inputs(scope, new Random(3), shape);
    const scores = await backend.antidiagonalScores(q, qStart, [0], scale, kv, 8, 64);
    const sums = Array.from({ length: 6 }, (_, row) => {
      const columns = scores.subarray(7 * row, 7 * (row + 1));
      return columns.reduce((sum, x) => sum + x, 0);
    });
    for (const [row, sum] of sums.entries()) assertAlmostEquals(sum, row < 5 ? 8 : 2, 1e-5);
  });
}

function blockCases(subject: Subject): void {
  const sizes = fc.constantFrom(1, 3, 16, 64, 128, 1000);
  parity(subject, "poolQueries(), poolKeys() and blockScores() equal the reference", {
    runs: 30,
    shapes: fc.tuple(attentionShapes, DTYPES, sizes),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, [shape, dtype, block]) =>
      await blocks(scope, await inputs(scope, random, shape, { dtype }), block),
  });
  parity(subject, "blockScores() with softmax equals the reference on scores of some hundreds", {
    runs: 10,
    shapes: fc.tuple(attentionShapes, sizes),
    tolerance: TOLERANCE.largeScores,
    work: async (scope, random, [shape, block]) => {
      const all = await inputs(scope, random, shape, { sharpness: 300 });
      return (await blocks(scope, all, block)).filter(({ name }) => name === "probs");
    },
  });
  test(subject, "blockScores() of constant blocks equals their tokens' scores", async (backend) => {
    using scope = new Scope(backend);
    const random = new Random(9);
    const [block, count, dim, length] = [6, 5, 32, 27];
    const [qRows, kRows] = [0, 1].map(() => random.integers(count * dim, -3, 3));
    const constant = (rows: Float32Array) =>
      Float32Array.from(
        { length: length * dim },
        (_, x) => rows[Math.floor(x / dim / block) * dim + x % dim]!,
      );
    const k = constant(kRows!);
    const kv = await scope.kv({ k, v: k, length, kvHeads: 1, dim });
    const q = scope.tensor([length, 1, dim], constant(qRows!));
    const scores = await pooledScores(scope, q, kv, 0, block);
    const wanted = Float32Array.from({ length: count * count }, (_, x) => {
      const [row, column] = [Math.floor(x / count), x % count];
      const products = Array.from(
        { length: dim },
        (_, i) => qRows![row * dim + i]! * kRows![column * dim + i]!,
      );
      return column > row ? -Infinity : products.reduce((sum, x) => sum + x, 0);
    });
    assertEquals(scores, wanted);
  });
}

function boundCases(subject: Subject): void {
  const pages = fc.tuple(attentionShapes, DTYPES, fc.constantFrom(1, 3, 16, 64, 100, 1000));
  parity(subject, "keyBounds() equals the reference bit by bit", {
    runs: 25,
    shapes: pages,
    tolerance: 0,
    work: async (scope, random, [shape, dtype, block]) => {
      const { kv } = await inputs(scope, random, shape, { dtype });
      const start = random.integer(0, kv.length - 1);
      const { min, max } = await boundsOf(scope, kv, start, block);
      return [outcome("min", min.read()), outcome("max", max.read())];
    },
  });
  parity(subject, "boundScores() equals the reference", {
    runs: 25,
    shapes: pages,
    tolerance: ([{ dim }]) => upwardsTolerance(dim),
    work: async (scope, random, [shape, dtype, block]) => {
      const { q, kv, heads } = await inputs(scope, random, shape, { dtype });
      const bounds = await boundsOf(scope, kv, 0, block);
      const chosen = random.subset(random.integer(1, 4), 0, heads - 1).reverse();
      const row = random.integer(0, shape.tokens - 1);
      return [await boundScoresOutcome(scope, q, row, chosen, bounds)];
    },
  });
  property(subject, "boundScores() is at least the score of every key of its block", {
    ...{ runs: 25, seed: 6, shapes: pages },
    check: async (scope, random, [shape, dtype, block]) => {
      const { backend } = scope;
      // Small integers: sums are exact, so that the bound must hold exactly.
      const draw = (random: Random, count: number) => random.integers(count, -3, 3);
      const { q, kv, heads } = await inputs(scope, random, shape, { dtype, draw });
      const bounds = await boundsOf(scope, kv, 0, block);
      const [scores, exact] = [
        await backend.boundScores(q, 0, [heads - 1], bounds),
        await backend.topKeys(q, 0, [heads - 1], kv, 0, kv.length, kv.length),
      ];
      for (const [i, key] of exact[0]!.indices.entries()) {
        assert(scores[Math.floor(key / block)]! >= exact[0]!.scores[i]!);
      }
    },
  });
  test(subject, "boundScores() of single keys equals their scores", async (backend) => {
    using scope = new Scope(backend);
    const shape = { tokens: 1, kvLength: 300, kvHeads: 1, group: 1, dim: 32 };
    const draw = (random: Random, count: number) => random.integers(count, -3, 3);
    const { q, kv } = await inputs(scope, new Random(4), shape, { draw });
    const scores = await backend.boundScores(q, 0, [0], await boundsOf(scope, kv, 0, 1));
    const [exact] = await backend.topKeys(q, 0, [0], kv, 0, 300, 300);
    for (const [i, key] of exact!.indices.entries()) assertEquals(scores[key], exact!.scores[i]);
  });
}

function repeatCases(subject: Subject): void {
  const shape = { tokens: 70, kvLength: 300, kvHeads: 2, group: 3, dim: 64 };
  test(subject, "estimates do not read page slots that hold no token", async (backend) => {
    const run = async (poison: number | null) => {
      using scope = new Scope(backend);
      const all = await inputs(scope, new Random(8), shape);
      const kv = await poisoned(scope, randomKv(new Random(2), shape), poison);
      return await everything(scope, { ...all, kv });
    };
    assertEquals(await run(NaN), await run(null));
  });
  test(subject, "estimates repeat bit by bit", async (backend) => {
    const run = async () => {
      using scope = new Scope(backend);
      return await everything(scope, await inputs(scope, new Random(8), shape));
    };
    assertEquals(await run(), await run());
  });
  test(subject, "estimates of no heads are empty", async (backend) => {
    using scope = new Scope(backend);
    const { q, kv, qStart, scale } = await inputs(scope, new Random(1), shape);
    assertEquals(await backend.verticalSlash(q, qStart, [], scale, kv), []);
    const none = await backend.antidiagonalScores(q, qStart, [], scale, kv, 8, 64);
    assertEquals(none, new Float32Array());
  });
}

/** An estimate's arguments. */
export interface Inputs {
  readonly q: Tensor;
  readonly kv: KvView;
  readonly qStart: number;
  readonly heads: number;
  readonly scale: number;
}

/** How queries and keys are drawn. */
export interface Drawing {
  /** Of the pages. */
  readonly dtype?: KvDType;
  /** Factor of the scores. */
  readonly sharpness?: number;
  /** Elements. */
  readonly draw?: (random: Random, count: number) => Float32Array;
}

/** The last rows of a cache. */
export async function inputs(
  scope: Scope,
  random: Random,
  { tokens, kvLength, kvHeads, group, dim }: AttentionShape,
  { dtype = "f32", sharpness = 1, draw = (random, count) => random.normals(count) }: Drawing = {},
): Promise<Inputs> {
  const [heads, size] = [kvHeads * group, kvLength * kvHeads * dim];
  const data = { k: draw(random, size), v: new Float32Array(size), length: kvLength, kvHeads, dim };
  const kv = await scope.kv(data, dtype);
  const q = scope.tensor([tokens, heads, dim], draw(random, tokens * heads * dim));
  return { q, kv, qStart: kvLength - tokens, heads, scale: sharpness / Math.sqrt(dim) };
}

/** A cache of `data` in pages whose other slots hold `poison`. */
async function poisoned(scope: Scope, data: KvData, poison: number | null): Promise<KvView> {
  if (poison === null) return await scope.kv(data);
  const { length, kvHeads, dim } = data;
  const full = 256 * Math.ceil(length / 256);
  const rubbish = new Float32Array(full * kvHeads * dim).fill(poison);
  const { table } = await scope.kv({ k: rubbish, v: rubbish, length: full, kvHeads, dim });
  const [k, v] = [data.k, data.v].map((rows) => scope.tensor([length, kvHeads, dim], rows));
  await scope.backend.append(table, 0, k!, v!, new Float32Array(length));
  return { table, length };
}

/** Column and diagonal sums of some heads. */
export async function sums(scope: Scope, inputs: Inputs, random: Random): Promise<Outcome[]> {
  const { heads } = inputs;
  const chosen = random.subset(random.integer(1, heads), 0, heads - 1).reverse();
  return await sumsOfHeads(scope, inputs, chosen);
}

/** Column and diagonal sums of the listed heads. */
export async function sumsOfHeads(
  scope: Scope,
  { q, kv, qStart, scale }: Inputs,
  chosen: readonly number[],
): Promise<Outcome[]> {
  const found = await scope.backend.verticalSlash(q, qStart, chosen, scale, kv);
  return found.flatMap(({ vertical, slash }) => [
    outcome("vertical", vertical),
    outcome("slash", slash),
  ]);
}

async function antidiagonals(
  scope: Scope,
  { q, kv, qStart, heads, scale }: Inputs,
  [stride, block]: readonly number[],
): Promise<Outcome[]> {
  const { backend } = scope;
  const chosen = heads > 1 ? [heads - 1, 0] : [0];
  const scores = await backend.antidiagonalScores(q, qStart, chosen, scale, kv, stride!, block!);
  return [{ name: "scores", values: scores, width: Math.ceil(kv.length / block!) }];
}

async function blocks(
  scope: Scope,
  { q, kv, qStart, heads, scale }: Inputs,
  block: number,
): Promise<Outcome[]> {
  const { backend } = scope;
  const [meanQ, meanK] = await means(scope, q, kv, block);
  const [pooled, chosen] = [{ q: meanQ, k: meanK, qStart, block }, [heads - 1]];
  const scores = await backend.blockScores(pooled, chosen, scale, false);
  const probs = await backend.blockScores(pooled, chosen, scale, true);
  const width = meanK.shape[0]!;
  return [
    outcome("means of queries", meanQ.read()),
    outcome("means of keys", meanK.read()),
    { name: "scores", values: scores, width, floor: 0.1 },
    { name: "probs", values: probs, width },
  ];
}

async function means(
  scope: Scope,
  q: Tensor,
  kv: KvView,
  block: number,
): Promise<[q: Tensor, k: Tensor]> {
  const [tokens, heads, dim] = q.shape;
  const meanQ = scope.tensor([Math.ceil(tokens! / block), heads!, dim!]);
  const meanK = scope.tensor([Math.ceil(kv.length / block), kv.table.kvHeads, dim!]);
  await scope.backend.poolQueries(q, block, meanQ);
  await scope.backend.poolKeys(kv, 0, block, meanK);
  return [meanQ, meanK];
}

async function pooledScores(
  scope: Scope,
  q: Tensor,
  kv: KvView,
  qStart: number,
  block: number,
): Promise<Float32Array> {
  const [meanQ, meanK] = await means(scope, q, kv, block);
  return await scope.backend.blockScores({ q: meanQ, k: meanK, qStart, block }, [0], 1, false);
}

/** Bounds of blocks of the keys from `start` on. */
export async function boundsOf(
  scope: Scope,
  kv: KvView,
  start: number,
  block: number,
): Promise<KeyBounds> {
  const { kvHeads, spec: { dim } } = kv.table;
  const shape = [Math.ceil((kv.length - start) / block), kvHeads, dim];
  const bounds = { min: scope.tensor(shape), max: scope.tensor(shape) };
  await scope.backend.keyBounds(kv, start, block, bounds);
  return bounds;
}

/** The results of all estimates. */
async function everything(scope: Scope, inputs: Inputs): Promise<Float32Array[]> {
  const { q, kv } = inputs;
  const bounds = await boundsOf(scope, kv, 0, 16);
  const outcomes = [
    ...await sums(scope, inputs, new Random(1)),
    ...await antidiagonals(scope, inputs, [8, 64]),
    ...await blocks(scope, inputs, 16),
    outcome("bounds", await scope.backend.boundScores(q, 0, [0, 5], bounds)),
  ];
  return outcomes.map(({ values }) => values);
}

function outcome(name: string, values: Float32Array): Outcome {
  return { name, values, width: values.length };
}
