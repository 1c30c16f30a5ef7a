/** Cases of append, readKv, copyPage, attentionRow, poolMap and topKeys. */
import type { KvDType, KvView, Tensor } from "../../ffi/backend.ts";
import { randomKeyPlan } from "../kernels/make_plans.ts";
import type { Scope } from "../kernels/scope.ts";
import { randomKv } from "../kernels/shapes.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const DTYPES: readonly KvDType[] = ["f32", "bf16", "int8"];
const CACHE = { kvLength: 700, kvHeads: 2, dim: 80 };
const HEADS = 6;

/** All of them. */
export function keyCases(): Case[] {
  return [...DTYPES.flatMap(casesOf), equalScores(), cancelledMap()];
}

function casesOf(dtype: KvDType): Case[] {
  return [
    {
      name: `append and read_kv about page edges, ${dtype}`,
      tolerance: 0,
      work: (scope, random) => store(scope, random, dtype),
    },
    {
      name: `copy of a page, ${dtype}`,
      tolerance: 0,
      work: (scope, random) => copyPage(scope, random, dtype),
    },
    {
      name: `attention_row, ${dtype}`,
      tolerance: TOLERANCE.f32,
      work: (scope, random) => attentionRow(scope, random, dtype),
    },
    {
      name: `pool_map in two calls, ${dtype}`,
      tolerance: TOLERANCE.f32,
      work: (scope, random) => poolMap(scope, random, dtype),
    },
    {
      name: `top_keys, ${dtype}`,
      tolerance: TOLERANCE.f32,
      work: (scope, random) => topKeys(scope, random, dtype),
    },
  ];
}

async function store(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  // The driver's pages hold rubbish, which only slot 0 clears from the scales of int8.
  const start = dtype === "int8" ? 0 : 250;
  const [tokens, kvHeads, dim] = [520 - start, 3, 20];
  const table = scope.table(kvHeads, dim, dtype, start + tokens);
  const rows = () => scope.tensor([tokens, kvHeads, dim], random.normals(tokens * kvHeads * dim));
  await scope.backend.append(table, start, rows(), rows(), random.normals(tokens, 1000));
  const { k, v, positions } = scope.backend.readKv(table, 1, start + 3, tokens - 7);
  return [
    { name: "k", values: k, width: dim },
    { name: "v", values: v, width: dim },
    { name: "positions", values: positions, width: 1 },
  ];
}

async function copyPage(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const spec = { dim: 32, dtype };
  const page = scope.keep(scope.backend.page(spec));
  const table = scope.backend.pageTable(1, spec);
  table.set(0, 0, page);
  const rows = scope.tensor([256, 1, 32], random.normals(256 * 32));
  await scope.backend.append(table, 0, rows, rows, random.normals(256));
  const copies = scope.backend.pageTable(1, spec);
  copies.set(0, 0, scope.keep(scope.backend.copyPage(page, spec)));
  const { k, v } = scope.backend.readKv(copies, 0, 0, 256);
  return [{ name: "k", values: k, width: 32 }, { name: "v", values: v, width: 32 }];
}

async function attentionRow(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const { kv, q } = await cache(scope, random, dtype);
  const plan = randomKeyPlan(random, kv.length);
  const { probs, lse } = await scope.backend.attentionRow(q, 2, 4, 0.1, kv, plan);
  const values = Float32Array.of(lse);
  return [{ name: "probs", values: probs, width: kv.length }, {
    name: "lse",
    values,
    width: 1,
    floor: 1,
  }];
}

async function poolMap(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const { kv, q } = await cache(scope, random, dtype);
  const bins = 37;
  const [sum, max] = [new Float32Array(bins * bins), new Float32Array(bins * bins)];
  for (const [start, count] of [[0, 2], [2, 3]] as const) {
    const rows = q.rows(start, count);
    await scope.backend.poolMap(rows, kv.length - 5 + start, 4, 0.1, kv, bins, sum, max);
  }
  return [{ name: "sum", values: sum, width: bins }, { name: "max", values: max, width: bins }];
}

async function topKeys(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const { kv, q } = await cache(scope, random, dtype);
  const found = await scope.backend.topKeys(q, 3, [5, 0, 2], kv, 7, 690, 64);
  return found.map(({ scores }, i) => ({ name: `scores of head ${i}`, values: scores, width: 64 }));
}

/** Small integers: scores are exact in every order of summation, and many are equal. */
function equalScores(): Case {
  return {
    name: "top_keys, equal scores",
    tolerance: 0,
    work: async (scope, random) => {
      const { kvLength, kvHeads, dim } = CACHE;
      const size = kvLength * kvHeads * dim;
      const k = random.integers(size, -1, 1);
      const kv = await scope.kv({ k, v: k, length: kvLength, kvHeads, dim });
      const q = scope.tensor([1, HEADS, dim], random.integers(HEADS * dim, -1, 1));
      const found = await scope.backend.topKeys(q, 0, [1, 4], kv, 0, kvLength, 300);
      return found.map(({ indices }, i) => ({
        name: `indices of head ${i}`,
        values: Float32Array.from(indices),
        width: 300,
      }));
    },
  };
}

function cancelledMap(): Case {
  return {
    name: "pool_map, cancelled",
    tolerance: 0,
    isCancelled: true,
    work: async (scope, random) => {
      const [tokens, dim, bins] = [6000, 64, 10];
      const { backend } = scope;
      const kv = await scope.kv(randomKv(random, { kvLength: tokens, kvHeads: 1, dim }));
      const q = scope.tensor([tokens, 1, dim], random.normals(tokens * dim));
      const [sum, max] = [new Float32Array(bins * bins), new Float32Array(bins * bins)];
      await backend.poolMap(q, 0, 0, 0.1, kv, bins, sum, max, backend.control());
      return [];
    },
  };
}

async function cache(
  scope: Scope,
  random: Random,
  dtype: KvDType,
): Promise<{ kv: KvView; q: Tensor }> {
  const kv = await scope.kv(randomKv(random, CACHE), dtype);
  const q = scope.tensor([5, HEADS, CACHE.dim], random.normals(5 * HEADS * CACHE.dim));
  return { kv, q };
}
