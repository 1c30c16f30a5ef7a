/** attendTiles, attendKeys and merge against the reference. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type KvDType,
  type KvView,
  type PartialAttention,
  type Tensor,
  TILE_FULL,
  type TilePlan,
} from "../../ffi/backend.ts";
import { Random } from "../random.ts";
import {
  densePlan,
  fullKeyPlan,
  randomKeyPlan,
  randomTilePlan,
  TILE_PLAN_KINDS,
  type TilePlanKind,
} from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { type AttentionShape, attentionShapes, outcomes, outputs, randomKv } from "./shapes.ts";
import { parity, property, type Subject, test } from "./subject.ts";
import { assertClose, type Outcome, TOLERANCE } from "./tolerance.ts";

/** Registers the tests. */
export function attentionCases(subject: Subject): void {
  tileCases(subject);
  keyPlanCases(subject);
  mergeCases(subject);
}

const onDense = (dtype: KvDType) => async (scope: Scope, random: Random, shape: AttentionShape) =>
  await attendTiles(scope, random, shape, () => "dense", dtype);
const onKeys = (dtype: KvDType) => async (scope: Scope, random: Random, shape: AttentionShape) =>
  await attendKeys(scope, random, shape, dtype);

function tileCases(subject: Subject): void {
  for (const kind of TILE_PLAN_KINDS) {
    parity(subject, `attendTiles() equals the reference on ${kind} plans`, {
      runs: 30,
      shapes: attentionShapes,
      tolerance: TOLERANCE.f32,
      work: (scope, random, shape) => attendTiles(scope, random, shape, () => kind, "f32"),
    });
  }
  parity(subject, "attendTiles() equals the reference where heads have different plans", {
    runs: 30,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: (scope, random, shape) => attendTiles(scope, random, shape, anyKind, "f32"),
  });
  parity(subject, "attendTiles() equals the reference on the same bf16 pages", {
    runs: 30,
    shapes: attentionShapes,
    tolerance: TOLERANCE.sameBf16,
    work: (scope, random, shape) => attendTiles(scope, random, shape, anyKind, "bf16"),
  });
  parity(subject, "attendTiles() equals the reference on the same int8 pages", {
    runs: 30,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: (scope, random, shape) => attendTiles(scope, random, shape, anyKind, "int8"),
  });
  parity(subject, "attendTiles() on bf16 pages is close to the reference on unrounded ones", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.bf16,
    work: onDense("bf16"),
    expected: onDense("f32"),
  });
  parity(subject, "attendTiles() equals the reference on scores of hundreds", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.largeScores,
    work: (scope, random, shape) => attendTiles(scope, random, shape, anyKind, "f32", 60),
  });
  parity(subject, "attendTiles() equals the reference on several row tiles for each thread", {
    runs: 1,
    shapes: fc.constant({ tokens: 300, kvLength: 1100, kvHeads: 2, group: 2, dim: 64 }),
    tolerance: TOLERANCE.f32,
    work: onDense("f32"),
  });
  parity(subject, "attendTiles() equals the reference on many row tiles, tiles in any order", {
    runs: 4,
    shapes: fc.constant({ tokens: 200, kvLength: 500, kvHeads: 1, group: 2, dim: 32 }),
    tolerance: TOLERANCE.f32,
    work: inAnyOrder,
  });
  parity(subject, "attendTiles() of full tiles over the cache's end sees the keys before it", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: overTheEnd,
  });
  test(subject, "attendTiles() gives 0 and -Infinity for empty rows", async (backend) => {
    using scope = new Scope(backend);
    const kv = await scope.kv(randomKv(new Random(1), { kvLength: 40, kvHeads: 1, dim: 32 }));
    const none = new Int32Array();
    const ptr = Int32Array.of(0, 0);
    const lists = { keyStart: none, kind: none, columns: none, masks: none };
    const empty = { tileQ: 64, tileK: 64, rowPtr: ptr, colPtr: ptr, ...lists };
    const out = outputs(scope, 4, 1, 32, 7);
    await backend.attendTiles(scope.tensor([4, 1, 32]), 36, 1, kv, [empty], out);
    assertEquals(out.out.read(), new Float32Array(128));
    assertEquals(out.lse.read(), new Float32Array(4).fill(-Infinity));
  });
  test(subject, "attendTiles() of two chunks equals one call", async (backend) => {
    using scope = new Scope(backend);
    const random = new Random(5);
    const shape = { kvLength: 261, kvHeads: 2, dim: 64 };
    const kv = await scope.kv(randomKv(random, shape));
    const q = scope.tensor([261, 4, 64], random.normals(261 * 4 * 64));
    const whole = outputs(scope, 261, 4, 64);
    await backend.attendTiles(q, 0, 0.125, kv, plansOf(4, 261, 0, 261), whole);
    const parts = outputs(scope, 261, 4, 64);
    for (const [start, count] of [[0, 100], [100, 161]] as const) {
      const out = { out: parts.out.rows(start, count), lse: parts.lse.rows(start, count) };
      const plans = plansOf(4, count, start, 261);
      await backend.attendTiles(q.rows(start, count), start, 0.125, kv, plans, out);
    }
    for (const [i, part] of outcomes(parts).entries()) {
      assertClose(part, outcomes(whole)[i]!, TOLERANCE.f32);
    }
  });
}

function keyPlanCases(subject: Subject): void {
  parity(subject, "attendKeys() equals the reference on ranges and single keys", {
    runs: 40,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: onKeys("f32"),
  });
  parity(subject, "attendKeys() equals the reference on the same bf16 pages", {
    runs: 30,
    shapes: attentionShapes,
    tolerance: TOLERANCE.sameBf16,
    work: onKeys("bf16"),
  });
  parity(subject, "attendKeys() equals the reference on the same int8 pages", {
    runs: 40,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: onKeys("int8"),
  });
  parity(subject, "attendKeys() on int8 pages is close to the reference on unrounded ones", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.int8,
    work: onKeys("int8"),
    expected: onKeys("f32"),
  });
  parity(subject, "attendKeys() on bf16 pages is close to the reference on unrounded ones", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.bf16,
    work: onKeys("bf16"),
    expected: onKeys("f32"),
  });
  parity(subject, "attendKeys() equals the reference on one row over a long cache", {
    runs: 1,
    shapes: fc.constant({ tokens: 1, kvLength: 5001, kvHeads: 2, group: 4, dim: 64 }),
    tolerance: TOLERANCE.f32,
    work: onKeys("f32"),
  });
  for (const dtype of ["f32", "bf16", "int8"] as const) {
    parity(subject, `attendKeys() of ${dtype} pages does not read tokens behind the cache's end`, {
      runs: 8,
      shapes: attentionShapes,
      tolerance: TOLERANCE.f32,
      work: (scope, random, shape) => beforeRubbish(scope, random, shape, dtype),
    });
  }
  test(
    subject,
    "attendKeys() of several calls at once equals one after the other",
    async (backend) => {
      using scope = new Scope(backend);
      const random = new Random(3);
      const kv = await scope.kv(randomKv(random, { kvLength: 2000, kvHeads: 1, dim: 64 }));
      const plans = Array.from({ length: 8 }, () => randomKeyPlan(random, kv.length));
      const queries = Array.from(
        { length: 6 },
        () => scope.tensor([1, 8, 64], random.normals(512)),
      );
      const attend = async (q: Tensor) => {
        const out = outputs(scope, 1, 8, 64);
        await backend.attendKeys(q, 0.125, kv, plans, out);
        return out;
      };
      const together = await Promise.all(queries.map(attend));
      for (const [i, q] of queries.entries()) equal(together[i]!, await attend(q));
    },
  );
  parity(subject, "attendKeys() over all keys equals attendTiles() of the reference", {
    runs: 10,
    shapes: attentionShapes.map((shape) => ({ ...shape, tokens: 1 })),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, shape) => await attendKeys(scope, random, shape, "f32", true),
    expected: onDense("f32"),
  });
}

function mergeCases(subject: Subject): void {
  const shapes = fc.record({
    rows: fc.integer({ min: 1, max: 20 }),
    heads: fc.integer({ min: 1, max: 4 }),
    dim: fc.constantFrom(1, 20, 32, 64, 80, 128),
  });
  parity(subject, "merge() equals the reference, empty rows among them", {
    runs: 30,
    shapes,
    tolerance: TOLERANCE.merge,
    work: async (scope, random, { rows, heads, dim }) => {
      const [a, b] = [0, 1].map(() => partial(scope, random, rows, heads, dim));
      await scope.backend.merge(a!, b!, b!);
      return outcomes(b!, 1);
    },
  });
  property(subject, "merge() does not depend on order", {
    ...{ runs: 20, seed: 7, shapes },
    check: async (scope, random, { rows, heads, dim }) => {
      const [a, b, c] = [0, 1, 2].map(() => partial(scope, random, rows, heads, dim));
      const sum = async (x: PartialAttention, y: PartialAttention) => {
        const into = outputs(scope, rows, heads, dim);
        await scope.backend.merge(x, y, into);
        return into;
      };
      equal(await sum(a!, b!), await sum(b!, a!));
      equal(await sum(await sum(a!, b!), c!), await sum(a!, await sum(b!, c!)));
    },
  });
  test(subject, "merge() of disjoint keys equals attention over all of them", async (backend) => {
    using scope = new Scope(backend);
    const random = new Random(11);
    const kv = await scope.kv(randomKv(random, { kvLength: 300, kvHeads: 2, dim: 32 }));
    const q = scope.tensor([3, 4, 32], random.normals(384));
    const attend = async (...ranges: number[]) => {
      const plan = { ranges: Int32Array.from(ranges), indices: new Int32Array() };
      const out = outputs(scope, 3, 4, 32);
      await backend.attendKeys(q, 0.2, kv, Array.from({ length: 12 }, () => plan), out);
      return out;
    };
    const [whole, low, high] = [await attend(0, 300), await attend(0, 77), await attend(77, 300)];
    await backend.merge(low, high, low);
    equal(low, whole);
  });
}

/** A kind of plan. */
export function anyKind(random: Random): TilePlanKind {
  return random.pick(TILE_PLAN_KINDS);
}

/** Attention over random plans on random data, which `round` may change. */
export async function attendTiles(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
  kindOf: (random: Random) => TilePlanKind,
  dtype: KvDType,
  sharpness = 1,
  round: (values: Float32Array) => Float32Array = (values) => values,
): Promise<Outcome[]> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const heads = kvHeads * group;
  const { q, kv, out } = await inputs(scope, random, shape, dtype, round);
  const extent = { tokens, kvLength, qStart: kvLength - tokens };
  const shared = randomTilePlan(random, extent, kindOf(random));
  const planOf = () => random.chance(0.3) ? shared : randomTilePlan(random, extent, kindOf(random));
  const plans = Array.from({ length: heads }, planOf);
  const scale = sharpness / Math.sqrt(dim);
  await scope.backend.attendTiles(q, extent.qStart, scale, kv, plans, out);
  return outcomes(out);
}

async function attendKeys(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
  dtype: KvDType,
  isFull = false,
): Promise<Outcome[]> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const { q, kv, out } = await inputs(scope, random, shape, dtype);
  const planOf = () => isFull ? fullKeyPlan(kvLength) : randomKeyPlan(random, kvLength);
  const plans = Array.from({ length: tokens * kvHeads * group }, planOf);
  await scope.backend.attendKeys(q, 1 / Math.sqrt(dim), kv, plans, out);
  return outcomes(out);
}

/** The last page goes on with NaN, or, where it cannot hold that, with other numbers. */
async function beforeRubbish(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
  dtype: KvDType,
): Promise<Outcome[]> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const { q, kv, out } = await inputs(scope, random, shape, dtype);
  const behind = (256 - kvLength % 256) % 256;
  if (behind > 0) {
    const values = new Float32Array(behind * kvHeads * dim).fill(dtype === "int8" ? 1e-3 : NaN);
    const rows = scope.tensor([behind, kvHeads, dim], values);
    await scope.backend.append(kv.table, kvLength, rows, rows, new Float32Array(behind));
  }
  const plans = Array.from({ length: tokens * kvHeads * group }, () => fullKeyPlan(kvLength));
  await scope.backend.attendKeys(q, 1 / Math.sqrt(dim), kv, plans, out);
  assert(outcomes(out).every(({ values }) => values.every(Number.isFinite)));
  return outcomes(out);
}

/** Row tiles of 4 rows, so that one thread has several. */
async function inAnyOrder(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
): Promise<Outcome[]> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const { q, kv, out } = await inputs(scope, random, shape, "f32");
  const extent = { tokens, kvLength, qStart: kvLength - tokens };
  const plan = everySecondReversed(densePlan(extent, 4, random.pick([32, 64])));
  const plans = Array.from({ length: kvHeads * group }, () => plan);
  await scope.backend.attendTiles(q, extent.qStart, 1 / Math.sqrt(dim), kv, plans, out);
  return outcomes(out);
}

/** The plan with the tiles of every second row tile in falling order. */
function everySecondReversed(plan: TilePlan): TilePlan {
  const order = Array.from(plan.keyStart.keys());
  for (let row = 0; row + 1 < plan.rowPtr.length; row += 2) {
    const [from, to] = [plan.rowPtr[row]!, plan.rowPtr[row + 1]!];
    order.splice(from, to - from, ...order.slice(from, to).reverse());
  }
  const ordered = (values: Int32Array) => Int32Array.from(order, (x) => values[x]!);
  return { ...plan, keyStart: ordered(plan.keyStart), kind: ordered(plan.kind) };
}

async function overTheEnd(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
): Promise<Outcome[]> {
  const { kvLength, kvHeads, group, dim } = shape;
  const { q, kv, out } = await inputs(scope, random, { ...shape, tokens: 1 }, "f32");
  const plan: TilePlan = {
    tileQ: 16,
    tileK: 64,
    rowPtr: Int32Array.of(0, 1),
    keyStart: Int32Array.of(Math.max(0, kvLength - random.integer(1, 63))),
    kind: Int32Array.of(TILE_FULL),
    colPtr: Int32Array.of(0, 0),
    columns: new Int32Array(),
    masks: new Int32Array(),
  };
  const plans = Array.from({ length: kvHeads * group }, () => plan);
  await scope.backend.attendTiles(q, kvLength - 1, 1 / Math.sqrt(dim), kv, plans, out);
  return outcomes(out);
}

/** q, cache and outputs of a call; from their own stream, so that they do not depend on the plans. */
async function inputs(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
  dtype: KvDType,
  round: (values: Float32Array) => Float32Array = (values) => values,
): Promise<{ q: Tensor; kv: KvView; out: PartialAttention }> {
  const data = new Random(random.integer(0, 2 ** 31 - 1));
  const { tokens, kvHeads, group, dim } = shape;
  const size = [tokens, kvHeads * group, dim] as const;
  const q = scope.tensor(size, round(data.normals(tokens * kvHeads * group * dim)));
  const { k, v, ...rest } = randomKv(data, shape);
  const kv = await scope.kv({ ...rest, k: round(k), v: round(v) }, dtype);
  return { q, kv, out: outputs(scope, ...size, 3) };
}

function plansOf(heads: number, tokens: number, qStart: number, kvLength: number): TilePlan[] {
  const plan = densePlan({ tokens, qStart, kvLength });
  return Array.from({ length: heads }, () => plan);
}

function equal(actual: PartialAttention, expected: PartialAttention): void {
  for (const [i, wanted] of outcomes(expected, 1).entries()) {
    assertClose(outcomes(actual)[i]!, wanted, TOLERANCE.merge);
  }
}

function partial(
  scope: Scope,
  random: Random,
  rows: number,
  heads: number,
  dim: number,
): PartialAttention {
  const lse = random.normals(rows * heads, 5);
  const out = random.normals(rows * heads * dim);
  for (let row = 0; row < lse.length; row++) {
    if (random.chance(0.8)) continue;
    lse[row] = -Infinity;
    out.fill(0, row * dim, (row + 1) * dim);
  }
  return { out: scope.tensor([rows, heads, dim], out), lse: scope.tensor([rows, heads], lse) };
}
