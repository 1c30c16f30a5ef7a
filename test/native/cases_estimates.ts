/** Cases of verticalSlash, pooled blocks, antidiagonalScores and bounds of keys. */
import type { DType, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { boundScoresOutcome } from "../kernels/bound_outcome.ts";
import type { Scope } from "../kernels/scope.ts";
import { type AttentionShape, randomKv } from "../kernels/shapes.ts";
import { type Outcome, TOLERANCE, upwardsTolerance } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const DTYPES: readonly DType[] = ["f32", "bf16"];

/** One key; rows that no panel divides, of several heads; several spans of keys; several blocks of rows. */
const SHAPES: readonly AttentionShape[] = [
  { tokens: 1, kvLength: 1, kvHeads: 1, group: 1, dim: 32 },
  { tokens: 5, kvLength: 257, kvHeads: 2, group: 3, dim: 80 },
  { tokens: 64, kvLength: 2100, kvHeads: 1, group: 2, dim: 64 },
  { tokens: 150, kvLength: 300, kvHeads: 1, group: 1, dim: 20 },
];

/** An estimate: the last rows of a cache, and what is scored of them. */
interface Rows {
  readonly q: Tensor;
  readonly kv: KvView;
  readonly qStart: number;
  readonly heads: number;
  readonly scale: number;
}

type Estimate = (scope: Scope, rows: Rows, control?: RunControl) => Promise<Outcome[]>;

const ESTIMATES: Readonly<Record<string, Estimate>> = {
  vertical_slash: verticalSlash,
  antidiagonal_scores: antidiagonalScores,
  "pooled blocks and block_scores": blockScores,
  "key_bounds and bound_scores": keyBounds,
};

/** All of them. */
export function estimateCases(): Case[] {
  const estimates = Object.entries(ESTIMATES);
  return [
    ...DTYPES.flatMap((dtype) =>
      SHAPES.flatMap((shape) => estimates.map(([name, run]) => ordinary(name, run, shape, dtype)))
    ),
    ...estimates.map(([name, run]) => largeScores(name, run)),
    cancelled("vertical_slash", verticalSlash),
    cancelled("antidiagonal_scores", longAntidiagonals),
  ];
}

function ordinary(name: string, run: Estimate, shape: AttentionShape, dtype: DType): Case {
  const { tokens, kvLength, group, dim } = shape;
  return {
    name: `${name}, ${tokens} rows, ${kvLength} keys, group ${group}, dim ${dim}, ${dtype}`,
    tolerance: run === keyBounds ? upwardsTolerance(dim) : TOLERANCE.f32,
    work: async (scope, random) => await run(scope, await lastRows(scope, random, shape, dtype)),
  };
}

function largeScores(name: string, run: Estimate): Case {
  const shape = { tokens: 17, kvLength: 130, kvHeads: 1, group: 2, dim: 64 };
  return {
    name: `${name}, scores of some hundreds`,
    tolerance: TOLERANCE.largeScores,
    work: async (scope, random) =>
      await run(scope, { ...await lastRows(scope, random, shape, "f32"), scale: 20 }),
  };
}

function cancelled(
  name: string,
  run: (scope: Scope, rows: Rows, control: RunControl) => Promise<unknown>,
): Case {
  const shape = { tokens: 6000, kvLength: 6000, kvHeads: 1, group: 2, dim: 64 };
  return {
    name: `${name}, cancelled`,
    tolerance: 0,
    isCancelled: true,
    work: async (scope, random) => {
      const rows = await lastRows(scope, random, shape, "f32");
      await run(scope, rows, scope.backend.control());
      return [];
    },
  };
}

async function lastRows(
  scope: Scope,
  random: Random,
  shape: AttentionShape,
  dtype: DType,
): Promise<Rows> {
  const { tokens, kvLength, kvHeads, group, dim } = shape;
  const heads = kvHeads * group;
  const kv = await scope.kv(randomKv(random, shape), dtype);
  const q = scope.tensor([tokens, heads, dim], random.normals(tokens * heads * dim));
  return { q, kv, qStart: kvLength - tokens, heads, scale: 1 / Math.sqrt(dim) };
}

async function verticalSlash(scope: Scope, rows: Rows, control?: RunControl): Promise<Outcome[]> {
  const { q, kv, qStart, heads, scale } = rows;
  const sums = await scope.backend.verticalSlash(q, qStart, ends(heads), scale, kv, control);
  return sums.flatMap(({ vertical, slash }, i) => [
    { name: `vertical ${i}`, values: vertical, width: kv.length },
    { name: `slash ${i}`, values: slash, width: kv.length },
  ]);
}

async function antidiagonalScores(
  scope: Scope,
  { q, kv, qStart, heads, scale }: Rows,
): Promise<Outcome[]> {
  const { backend } = scope;
  const chosen = ends(heads);
  const values = await backend.antidiagonalScores(q, qStart, chosen, scale, kv, 4, 16);
  return [{ name: "scores", values, width: Math.ceil(kv.length / 16) }];
}

/** Cells of one token: as many products as attention. */
async function longAntidiagonals(
  { backend }: Scope,
  { q, kv, qStart, heads, scale }: Rows,
  control: RunControl,
): Promise<void> {
  await backend.antidiagonalScores(q, qStart, ends(heads), scale, kv, 1, 16, control);
}

async function blockScores(scope: Scope, rows: Rows): Promise<Outcome[]> {
  const { backend } = scope;
  const { q, kv, qStart, heads, scale } = rows;
  const [[tokens = 0, , dim = 0], block] = [q.shape, 16];
  const meanQ = scope.tensor([Math.ceil(tokens / block), heads, dim]);
  const meanK = scope.tensor([Math.ceil(kv.length / block), kv.table.kvHeads, dim]);
  await backend.poolQueries(q, block, meanQ);
  await backend.poolKeys(kv, 0, block, meanK);
  const blocks = { q: meanQ, k: meanK, qStart, block };
  const width = meanK.shape[0]!;
  const probs = await backend.blockScores(blocks, ends(heads), scale, true);
  return [
    { name: "means of queries", values: meanQ.read(), width: dim },
    { name: "means of keys", values: meanK.read(), width: dim },
    { name: "probs", values: probs, width },
  ];
}

async function keyBounds(scope: Scope, { q, kv, heads }: Rows): Promise<Outcome[]> {
  const { backend } = scope;
  const { kvHeads, spec: { dim } } = kv.table;
  const shape = [Math.ceil(kv.length / 16), kvHeads, dim];
  const bounds = { min: scope.tensor(shape), max: scope.tensor(shape) };
  await backend.keyBounds(kv, 0, 16, bounds);
  return [
    { name: "min", values: bounds.min.read(), width: dim },
    { name: "max", values: bounds.max.read(), width: dim },
    await boundScoresOutcome(scope, q, 0, ends(heads), bounds),
  ];
}

/** The last head and the first one. */
function ends(heads: number): number[] {
  return heads > 1 ? [heads - 1, 0] : [0];
}
