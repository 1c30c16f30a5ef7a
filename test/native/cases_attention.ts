/** Cases of attendTiles, attendKeys and merge. */
import type {
  Compute,
  KeyPlan,
  KvDType,
  KvView,
  PartialAttention,
  Tensor,
  TilePlan,
} from "../../ffi/backend.ts";
import {
  densePlan,
  fullKeyPlan,
  randomKeyPlan,
  randomTilePlan,
  TILE_PLAN_KINDS,
} from "../kernels/make_plans.ts";
import type { Scope } from "../kernels/scope.ts";
import { type AttentionShape, outcomes, outputs, randomKv } from "../kernels/shapes.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const DTYPES: readonly KvDType[] = ["f32", "bf16", "int8"];

/** One token, one key, lengths about page and tile edges, and dimensions that no vector divides. */
const SHAPES: readonly AttentionShape[] = [
  { tokens: 1, kvLength: 1, kvHeads: 1, group: 1, dim: 32 },
  { tokens: 17, kvLength: 33, kvHeads: 2, group: 1, dim: 20 },
  { tokens: 65, kvLength: 257, kvHeads: 1, group: 4, dim: 64 },
  { tokens: 5, kvLength: 300, kvHeads: 3, group: 7, dim: 80 },
  { tokens: 70, kvLength: 513, kvHeads: 1, group: 2, dim: 128 },
  { tokens: 9, kvLength: 255, kvHeads: 1, group: 3, dim: 256 },
];

/** An attention call: data, then plans, then outcomes. */
interface Attention {
  readonly shape: AttentionShape;
  readonly dtype: KvDType;
  /** Factor of the scores. */
  readonly sharpness?: number;
  /** Fills queries and keys; normal numbers unless given. */
  readonly draw?: (random: Random, count: number) => Float32Array;
}

/** All of them. */
export function attentionCases(): Case[] {
  return [
    ...DTYPES.flatMap((dtype) => SHAPES.flatMap((shape) => ordinary({ shape, dtype }))),
    ...DTYPES.flatMap(adversarial),
    ...[1, 4].map((group) => longDecode(group)),
    gathered(),
    ...DTYPES.flatMap(productsOfBf16),
    cancelledTiles("f32"),
    cancelledTiles("bf16"),
    cancelledKeys(),
    mergeCase(),
  ];
}

function tilesOf(call: Attention): Case[] {
  return TILE_PLAN_KINDS.map((kind): Case => ({
    name: `attend_tiles, ${kind} plan, ${describe(call)}`,
    tolerance: TOLERANCE.f32,
    work: (scope, random) =>
      tileWork(scope, random, call, (extent) => randomTilePlan(random, extent, kind)),
  }));
}

function ordinary(call: Attention): Case[] {
  const keys: Case = {
    name: `attend_keys, random plans, ${describe(call)}`,
    tolerance: TOLERANCE.f32,
    work: (scope, random) =>
      keyWork(scope, random, call, () => randomKeyPlan(random, call.shape.kvLength)),
  };
  return [...tilesOf(call), keys];
}

/** What rounds its operands to bf16 where the instruction set multiplies such. */
function productsOfBf16(dtype: KvDType): Case[] {
  const shared = { tokens: 130, kvLength: 700, kvHeads: 2, group: 4, dim: 32 };
  return [...SHAPES, shared].flatMap((shape) => tilesOf({ shape, dtype })).map((one) => ({
    ...one,
    name: `${one.name}, products of bf16`,
    tolerance: TOLERANCE.bf16,
    compute: "bf16",
  }));
}

function adversarial(dtype: KvDType): Case[] {
  const shape = { tokens: 20, kvLength: 300, kvHeads: 2, group: 4, dim: 64 };
  const huge = (random: Random, count: number) => random.normals(count, 1e18);
  const zeros = (_: Random, count: number) => new Float32Array(count);
  return [
    ...both("scores of hundreds", TOLERANCE.largeScores, { shape, dtype, sharpness: 60 }),
    ...both("scores of 1e37", TOLERANCE.f32, { shape, dtype, draw: huge }),
    ...both("equal scores", TOLERANCE.f32, { shape, dtype, draw: zeros }),
    ...both("one key", TOLERANCE.f32, { shape: { ...shape, tokens: 1, kvLength: 1 }, dtype }),
    emptyRows({ shape, dtype }),
  ];
}

function both(what: string, tolerance: number, call: Attention): Case[] {
  const { kvLength } = call.shape;
  const tiles = (scope: Scope, random: Random) =>
    tileWork(scope, random, call, (extent) => densePlan(extent));
  const keys = (scope: Scope, random: Random) =>
    keyWork(scope, random, call, () => fullKeyPlan(kvLength));
  return [
    { name: `attend_tiles, ${what}, ${call.dtype}`, tolerance, work: tiles },
    { name: `attend_keys, ${what}, ${call.dtype}`, tolerance, work: keys },
  ];
}

function emptyRows(call: Attention): Case {
  const none: KeyPlan = { ranges: new Int32Array(), indices: new Int32Array() };
  return {
    name: `attend_keys, empty rows, ${call.dtype}`,
    tolerance: 0,
    work: (scope, random) => keyWork(scope, random, call, () => none),
  };
}

/** Keys for several parts of each head, on all threads. */
function longDecode(group: number): Case {
  const shape = { tokens: 1, kvLength: 5001, kvHeads: 2, group, dim: 64 };
  return {
    name: `attend_keys, one row over a long cache, group ${group}`,
    tolerance: TOLERANCE.f32,
    work: (scope, random) =>
      keyWork(scope, random, { shape, dtype: "f32" }, () => fullKeyPlan(shape.kvLength)),
  };
}

function gathered(): Case {
  const shape = { tokens: 2, kvLength: 2000, kvHeads: 2, group: 2, dim: 64 };
  return {
    name: "attend_keys, single keys of a long cache",
    tolerance: TOLERANCE.sameBf16,
    work: (scope, random) => {
      const indices = Int32Array.from(random.subset(700, 0, shape.kvLength - 1));
      const plan = { ranges: new Int32Array(), indices };
      return keyWork(scope, random, { shape, dtype: "bf16" }, () => plan);
    },
  };
}

function cancelledTiles(compute: Compute): Case {
  return {
    name: `attend_tiles, cancelled, products of ${compute}`,
    tolerance: 0,
    isCancelled: true,
    compute,
    work: async (scope, random) => {
      const tokens = compute === "bf16" ? 6000 : 3000; // units of bf16 are that much faster
      const shape = { tokens, kvLength: tokens, kvHeads: 2, group: 4, dim: 64 };
      const { q, kv, out } = await inputs(scope, random, { shape, dtype: "f32" });
      const plan = densePlan({ tokens, kvLength: tokens, qStart: 0 });
      const plans = Array.from({ length: 8 }, () => plan);
      await scope.backend.attendTiles(q, 0, 0.125, kv, plans, out, scope.backend.control());
      return [];
    },
  };
}

function cancelledKeys(): Case {
  return {
    name: "attend_keys, cancelled",
    tolerance: 0,
    isCancelled: true,
    work: async (scope, random) => {
      const shape = { tokens: 500, kvLength: 6000, kvHeads: 1, group: 16, dim: 64 };
      const { q, kv, out } = await inputs(scope, random, { shape, dtype: "bf16" });
      const plans = Array.from({ length: 500 * 16 }, () => fullKeyPlan(6000));
      await scope.backend.attendKeys(q, 0.125, kv, plans, out, scope.backend.control());
      return [];
    },
  };
}

/** Merges into one of its inputs; some rows are empty on one side, some on both. */
function mergeCase(): Case {
  const [rows, heads, dim] = [301, 3, 20];
  const partial = (scope: Scope, random: Random): PartialAttention => {
    const out = random.normals(rows * heads * dim);
    const lse = random.normals(rows * heads, 50);
    for (let row = 0; row < lse.length; row++) {
      if (random.chance(0.7)) continue;
      lse[row] = -Infinity;
      out.fill(0, row * dim, (row + 1) * dim);
    }
    return { out: scope.tensor([rows, heads, dim], out), lse: scope.tensor([rows, heads], lse) };
  };
  return {
    name: "merge, into an input, with empty rows",
    tolerance: TOLERANCE.merge,
    work: async (scope, random) => {
      const [a, b] = [partial(scope, random), partial(scope, random)];
      await scope.backend.merge(a, b, a);
      return outcomes(a, 1);
    },
  };
}

/** Attention over tile plans: two plans for the heads in turn. */
export async function tileWork(
  scope: Scope,
  random: Random,
  call: Attention,
  planOf: (extent: { tokens: number; kvLength: number; qStart: number }) => TilePlan,
): Promise<Outcome[]> {
  const { tokens, kvLength, kvHeads, group, dim } = call.shape;
  const { q, kv, out } = await inputs(scope, random, call);
  const extent = { tokens, kvLength, qStart: kvLength - tokens };
  const two = [planOf(extent), planOf(extent)];
  const plans = Array.from({ length: kvHeads * group }, (_, head) => two[head % 2]!);
  const scale = (call.sharpness ?? 1) / Math.sqrt(dim);
  await scope.backend.attendTiles(q, extent.qStart, scale, kv, plans, out);
  return outcomes(out);
}

/** Attention over key plans, one for each row and head. */
export async function keyWork(
  scope: Scope,
  random: Random,
  call: Attention,
  planOf: () => KeyPlan,
): Promise<Outcome[]> {
  const { tokens, kvHeads, group, dim } = call.shape;
  const { q, kv, out } = await inputs(scope, random, call);
  const plans = Array.from({ length: tokens * kvHeads * group }, planOf);
  const scale = (call.sharpness ?? 1) / Math.sqrt(dim);
  await scope.backend.attendKeys(q, scale, kv, plans, out);
  return outcomes(out);
}

async function inputs(scope: Scope, random: Random, { shape, dtype, draw }: Attention): Promise<{
  q: Tensor;
  kv: KvView;
  out: PartialAttention;
}> {
  const { tokens, kvHeads, group, dim } = shape;
  const size = [tokens, kvHeads * group, dim] as const;
  const count = tokens * kvHeads * group * dim;
  const data = randomKv(random, shape);
  if (draw) data.k.set(draw(random, data.k.length));
  const q = scope.tensor(size, draw ? draw(random, count) : random.normals(count));
  return { q, kv: await scope.kv(data, dtype), out: outputs(scope, ...size, 3) };
}

function describe({ dtype, shape }: Attention): string {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  return `${dtype}, ${tokens} rows, ${kvLength} keys, ${kvHeads} x ${group} heads, dim ${dim}`;
}
