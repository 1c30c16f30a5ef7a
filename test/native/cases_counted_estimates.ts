/** The estimates whose instructions are counted. */
import type { KvView, Tensor } from "../../ffi/backend.ts";
import type { Scope } from "../kernels/scope.ts";
import { randomKv } from "../kernels/shapes.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { CountedCase } from "./cases_counted.ts";

const [KEYS, HEADS, DIM, BLOCK] = [2000, 2, 64, 16];
const SCALE = 1 / Math.sqrt(DIM);
const CHOSEN = [0, 1];

/** All of them. */
export function countedEstimates(): CountedCase[] {
  return [
    counted("ll_vertical_slash", verticalSlash),
    counted("ll_pool_queries", poolQueries),
    counted("ll_pool_keys", poolKeys),
    counted("ll_block_scores", blockScores),
    counted("ll_antidiagonal_scores", antidiagonalScores),
    counted("ll_key_bounds", keyBounds),
    counted("ll_bound_scores", boundScores),
  ];
}

function counted(name: string, work: CountedCase["work"]): CountedCase {
  const words = name.slice("ll_".length).replaceAll("_", " ");
  return { name: `estimate: ${words}`, counted: name, tolerance: TOLERANCE.f32, work };
}

async function verticalSlash(scope: Scope, random: Random): Promise<Outcome[]> {
  const q = rows(scope, random, 64, HEADS);
  const kv = await keys(scope, random);
  const found = await scope.backend.verticalSlash(q, KEYS - 64, CHOSEN, SCALE, kv);
  return found.map(({ slash }) => ({ name: "slash", values: slash, width: KEYS }));
}

async function poolQueries(scope: Scope, random: Random): Promise<Outcome[]> {
  const out = scope.tensor([1008 / BLOCK, HEADS, DIM]);
  await scope.backend.poolQueries(rows(scope, random, 1008, HEADS), BLOCK, out);
  return [{ name: "means", values: out.read(), width: DIM }];
}

async function poolKeys(scope: Scope, random: Random): Promise<Outcome[]> {
  const out = scope.tensor([KEYS / BLOCK, 1, DIM]);
  await scope.backend.poolKeys(await keys(scope, random), 0, BLOCK, out);
  return [{ name: "means", values: out.read(), width: DIM }];
}

async function blockScores(scope: Scope, random: Random): Promise<Outcome[]> {
  const q = rows(scope, random, 32, HEADS);
  const blocks = { q, k: rows(scope, random, 96, 1), qStart: 64 * BLOCK, block: BLOCK };
  const values = await scope.backend.blockScores(blocks, CHOSEN, SCALE, true);
  return [{ name: "probs", values, width: 96 }];
}

async function antidiagonalScores(scope: Scope, random: Random): Promise<Outcome[]> {
  const q = rows(scope, random, 128, HEADS);
  const kv = await keys(scope, random);
  const { backend } = scope;
  const values = await backend.antidiagonalScores(q, KEYS - 128, CHOSEN, SCALE, kv, 8, 64);
  return [{ name: "scores", values, width: Math.ceil(KEYS / 64) }];
}

async function keyBounds(scope: Scope, random: Random): Promise<Outcome[]> {
  const empty = () => scope.tensor([KEYS / BLOCK, 1, DIM]);
  const bounds = { min: empty(), max: empty() };
  await scope.backend.keyBounds(await keys(scope, random), 0, BLOCK, bounds);
  return [{ name: "max", values: bounds.max.read(), width: DIM }];
}

async function boundScores(scope: Scope, random: Random): Promise<Outcome[]> {
  const blocks = 500;
  const sized = (sign: number) =>
    scope.tensor([blocks, 1, DIM], random.normals(blocks * DIM).map((x) => sign * Math.abs(x)));
  const bounds = { min: sized(-1), max: sized(1) };
  const values = await scope.backend.boundScores(rows(scope, random, 1, HEADS), 0, CHOSEN, bounds);
  return [{ name: "bounds", values, width: blocks }];
}

function rows(scope: Scope, random: Random, count: number, heads: number): Tensor {
  return scope.tensor([count, heads, DIM], random.normals(count * heads * DIM));
}

async function keys(scope: Scope, random: Random): Promise<KvView> {
  return await scope.kv(randomKv(random, { kvLength: KEYS, kvHeads: 1, dim: DIM }));
}
