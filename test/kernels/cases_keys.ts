/** append, readKv, attentionRow, poolMap and topKeys against the reference. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { KvDType, TopKeys } from "../../ffi/backend.ts";
import { Random } from "../random.ts";
import { randomKeyPlan } from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { type AttentionShape, attentionShapes, randomKv } from "./shapes.ts";
import { beside, parity, type Subject, test } from "./subject.ts";
import { type Outcome, TOLERANCE } from "./tolerance.ts";

/** Registers the tests. */
export function keyCases(subject: Subject): void {
  storeCases(subject);
  rowCases(subject);
  mapCases(subject);
  searchCases(subject);
}

function storeCases(subject: Subject): void {
  const shapes = fc.record({
    start: fc.oneof(fc.constantFrom(0, 1, 254, 255, 256, 257, 512), fc.nat(600)),
    tokens: fc.oneof(fc.constantFrom(1, 2, 255, 256, 257, 513), fc.integer({ min: 1, max: 50 })),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    dim: fc.constantFrom(1, 20, 32, 64, 80),
    dtype: fc.constantFrom<KvDType>("f32", "bf16", "int8"),
  });
  parity(subject, "append() and readKv() equal the reference bit by bit about page edges", {
    runs: 30,
    shapes,
    tolerance: 0,
    work: async (scope, random, { start, tokens, kvHeads, dim, dtype }) => {
      const table = scope.table(kvHeads, dim, dtype, start + tokens);
      const size = [tokens, kvHeads, dim];
      const k = scope.tensor(size, random.normals(tokens * kvHeads * dim));
      const v = scope.tensor(size, random.normals(tokens * kvHeads * dim));
      await scope.backend.append(table, start, k, v, random.normals(tokens, 1000));
      const kvHead = random.integer(0, kvHeads - 1);
      const first = random.integer(0, start + tokens - 1);
      const count = random.integer(1, start + tokens - first);
      const read = scope.backend.readKv(table, kvHead, first, count);
      return [
        { name: "k", values: read.k, width: dim },
        { name: "v", values: read.v, width: dim },
        { name: "positions", values: read.positions, width: 1 },
      ];
    },
  });
}

function rowCases(subject: Subject): void {
  parity(subject, "attentionRow() equals the reference and is 0 outside the plan", {
    runs: 25,
    shapes: fc.tuple(attentionShapes, fc.constantFrom<KvDType>("f32", "bf16", "int8")),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, [shape, dtype]) => {
      const { tokens, kvLength, kvHeads, group, dim } = shape;
      const heads = kvHeads * group;
      const kv = await scope.kv(randomKv(random, shape), dtype);
      const q = scope.tensor([tokens, heads, dim], random.normals(tokens * heads * dim));
      const [row, head] = [random.integer(0, tokens - 1), random.integer(0, heads - 1)];
      const plan = randomKeyPlan(random, kvLength);
      const scale = 1 / Math.sqrt(dim);
      const { probs, lse } = await scope.backend.attentionRow(q, row, head, scale, kv, plan);
      return [{ name: "probs", values: probs, width: kvLength }, {
        name: "lse",
        values: Float32Array.of(lse),
        width: 1,
        floor: 1,
      }];
    },
  });
}

function mapCases(subject: Subject): void {
  parity(subject, "poolMap() equals the reference when a map is added up in two calls", {
    runs: 20,
    shapes: fc.tuple(attentionShapes, fc.constantFrom<KvDType>("f32", "bf16", "int8")),
    tolerance: TOLERANCE.f32,
    work: poolInTwo,
  });
}

async function poolInTwo(
  scope: Scope,
  random: Random,
  [shape, dtype]: readonly [AttentionShape, KvDType],
): Promise<Outcome[]> {
  const { kvLength, kvHeads, group, dim } = shape;
  const tokens = Math.min(kvLength, 64);
  const heads = kvHeads * group;
  const bins = random.pick([1, Math.min(7, kvLength), kvLength]);
  const head = random.integer(0, heads - 1);
  const kv = await scope.kv(randomKv(random, shape), dtype);
  const q = scope.tensor([tokens, heads, dim], random.normals(tokens * heads * dim));
  const [sum, max] = [new Float32Array(bins * bins), new Float32Array(bins * bins)];
  const scale = 1 / Math.sqrt(dim);
  const cut = random.integer(1, tokens);
  for (const [start, count] of [[0, cut], [cut, tokens - cut]] as const) {
    if (count === 0) continue;
    const part = q.rows(start, count);
    const qStart = kvLength - tokens + start;
    await scope.backend.poolMap(part, qStart, head, scale, kv, bins, sum, max);
  }
  return [{ name: "sum", values: sum, width: bins }, { name: "max", values: max, width: bins }];
}

interface Search {
  readonly shape: AttentionShape;
  readonly dtype: KvDType;
  readonly k: number;
}

function searchCases(subject: Subject): void {
  const k = fc.oneof(fc.constantFrom(1, 7, 100, 1000), fc.integer({ min: 1, max: 64 }));
  const dtype = fc.constantFrom<KvDType>("f32", "bf16", "int8");
  const shapes = fc.record({ shape: attentionShapes, dtype, k });
  beside(subject, "topKeys() gives equal scores to the lower index", {
    ...{ runs: 30, seed: 3, shapes },
    compare: async (tested, reference, seed, search) => {
      // Small integers: scores are exact in every order of summation, and many are equal.
      const draw = (random: Random, count: number) => random.integers(count, -1, 1);
      const found = await find(tested, new Random(seed), search, draw);
      assertEquals(found, await find(reference, new Random(seed), search, draw));
    },
  });
  parity(subject, "topKeys() finds the reference's scores in falling order", {
    runs: 20,
    shapes,
    tolerance: TOLERANCE.f32,
    work: async (scope, random, search) => {
      const found = await find(scope, random, search, (random, count) => random.normals(count));
      return found.map(({ scores }, i) => ({
        name: `scores of head ${i}`,
        values: scores,
        width: scores.length,
      }));
    },
  });
  test(subject, "topKeys() gives every key of a range shorter than k", async (backend) => {
    using scope = new Scope(backend);
    const kv = await scope.kv(randomKv(new Random(1), { kvLength: 300, kvHeads: 1, dim: 32 }));
    const q = scope.tensor([1, 1, 32], new Random(2).normals(32));
    const [found] = await backend.topKeys(q, 0, [0], kv, 254, 259, 9);
    assertEquals([...found!.indices].sort(), [254, 255, 256, 257, 258]);
    assertEquals(found!.scores.length, 5);
    assertEquals((await backend.topKeys(q, 0, [0], kv, 5, 5, 9))[0]!.indices.length, 0);
  });
}

async function find(
  scope: Scope,
  random: Random,
  { shape, dtype, k }: Search,
  draw: (random: Random, count: number) => Float32Array,
): Promise<TopKeys[]> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const heads = kvHeads * group;
  const size = kvLength * kvHeads * dim;
  const data = { k: draw(random, size), v: new Float32Array(size), length: kvLength, kvHeads, dim };
  const kv = await scope.kv(data, dtype);
  const q = scope.tensor([tokens, heads, dim], draw(random, tokens * heads * dim));
  const row = random.integer(0, tokens - 1);
  const [start = 0, end = kvLength] = random.subset(random.pick([0, 2]), 0, kvLength);
  const chosen = random.subset(random.integer(1, 4), 0, heads - 1).reverse();
  return await scope.backend.topKeys(q, row, chosen, kv, start, end, k);
}
