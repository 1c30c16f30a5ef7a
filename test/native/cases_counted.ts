/** The cases whose instructions are counted: one call each of the operations that a run spends its time in. */
import type { KeyPlan, KvDType } from "../../ffi/backend.ts";
import { densePlan, fullKeyPlan, randomTilePlan } from "../kernels/make_plans.ts";
import { matrix } from "../kernels/matrix.ts";
import { TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import { keyWork, tileWork } from "./cases_attention.ts";
import { countedEstimates } from "./cases_counted_estimates.ts";
import { type Case, recordCases } from "./record_cases.ts";

const KEYS = 4000;

/** A case, and the function whose instructions are counted. */
export interface CountedCase extends Case {
  /** Name of the function; the case calls it once. */
  readonly counted: string;
}

/** All of them. */
export const COUNTED_CASES: readonly CountedCase[] = [
  dense(64),
  dense(128),
  sparse(),
  ...(["f32", "bf16", "int8"] as const).flatMap((dtype) =>
    [1, 4].map((group) => decode(dtype, group))
  ),
  gathered(),
  gemm(1),
  gemm(64),
  norm(),
  rope(),
  ...countedEstimates(),
];

/** Names of the cases of each function that is counted, in the order of its file. */
export type CountedNames = Readonly<Record<string, readonly string[]>>;

/** Records the cases of each counted function into a file of its name, and their names into `counted.json`. */
export async function recordCounted(folder: string): Promise<void> {
  const names: Record<string, string[]> = {};
  for (const counted of new Set(COUNTED_CASES.map((one) => one.counted))) {
    const cases = COUNTED_CASES.filter((one) => one.counted === counted);
    await recordCases(`${folder}/${counted}.cases`, cases);
    names[counted] = cases.map(({ name }) => name);
  }
  await Deno.writeTextFile(`${folder}/counted.json`, JSON.stringify(names));
}

function dense(dim: number): CountedCase {
  const shape = { tokens: 256, kvLength: 512, kvHeads: 1, group: 2, dim };
  return {
    name: `dense prefill, dim ${dim}`,
    counted: "ll_attend_tiles",
    tolerance: TOLERANCE.f32,
    work: (scope, random) =>
      tileWork(scope, random, { shape, dtype: "f32" }, (extent) => densePlan(extent)),
  };
}

function sparse(): CountedCase {
  const shape = { tokens: 256, kvLength: 1024, kvHeads: 1, group: 2, dim: 64 };
  return {
    name: "sparse prefill: tiles, masks and columns",
    counted: "ll_attend_tiles",
    tolerance: TOLERANCE.f32,
    work: (scope, random) =>
      tileWork(
        scope,
        random,
        { shape, dtype: "f32" },
        (extent) => randomTilePlan(random, extent, "mixed"),
      ),
  };
}

function decode(dtype: KvDType, group: number): CountedCase {
  return keys(`dense decode, ${dtype}, group ${group}`, dtype, group, () => fullKeyPlan(KEYS));
}

function gathered(): CountedCase {
  const planOf = (random: Random): KeyPlan => ({
    ranges: Int32Array.of(0, 4, KEYS - 60, KEYS),
    indices: Int32Array.from(random.subset(1000, 4, KEYS - 61)),
  });
  return keys("gathered decode, f32, group 4", "f32", 4, planOf);
}

function keys(
  name: string,
  dtype: KvDType,
  group: number,
  planOf: (random: Random) => KeyPlan,
): CountedCase {
  const shape = { tokens: 1, kvLength: KEYS, kvHeads: 1, group, dim: 64 };
  return {
    name,
    counted: "ll_attend_keys",
    tolerance: TOLERANCE.f32,
    work: (scope, random) => {
      const plan = planOf(random);
      return keyWork(scope, random, { shape, dtype }, () => plan);
    },
  };
}

function gemm(rows: number): CountedCase {
  const [hidden, vocab] = [256, 1024];
  return {
    name: `matrix product of ${rows} rows, bf16`,
    counted: "ll_logits",
    tolerance: TOLERANCE.f32,
    work: async (scope, random) => {
      const x = matrix(scope, random, rows, hidden);
      const norm = scope.tensor([hidden], random.normals(hidden));
      const out = scope.tensor([rows, vocab]);
      const head = matrix(scope, random, vocab, hidden, "bf16");
      await scope.backend.logits(x, norm, 1e-5, head, out);
      return [{ name: "logits", values: out.read(), width: vocab }];
    },
  };
}

/** A product with one output only, so that nearly all is the norm. */
function norm(): CountedCase {
  const [rows, hidden] = [256, 1024];
  return {
    name: "norm",
    counted: "ll_logits",
    tolerance: TOLERANCE.f32,
    work: async (scope, random) => {
      const x = scope.tensor([rows, hidden], random.normals(rows * hidden));
      const weight = scope.tensor([hidden], random.normals(hidden));
      const out = scope.tensor([rows, 1]);
      await scope.backend.logits(x, weight, 1e-5, matrix(scope, random, 1, hidden), out);
      return [{ name: "logits", values: out.read(), width: rows, floor: 1 }];
    },
  };
}

/** Projections from one element only, so that nearly all is the rotary embedding. */
function rope(): CountedCase {
  const [tokens, heads, dim] = [256, 8, 64];
  return {
    name: "rotary embedding",
    counted: "ll_qkv",
    tolerance: TOLERANCE.f32,
    work: async (scope, random) => {
      const square = () => matrix(scope, random, heads * dim, 1);
      const weights = { wq: square(), wk: square(), wv: square() };
      const none = { bq: null, bk: null, bv: null, qNorm: null, kNorm: null };
      const angles = random.normals(tokens * dim / 2, 3);
      const table = (values: Float32Array) => scope.tensor([1, tokens, dim / 2], values);
      const tables = { cos: table(angles.map(Math.cos)), sin: table(angles.map(Math.sin)) };
      const rows = () => scope.tensor([tokens, heads, dim]);
      const out = { q: rows(), k: rows(), v: rows() };
      const norm = scope.tensor([1], Float32Array.of(1));
      const x = matrix(scope, random, tokens, 1);
      await scope.backend.qkv(x, { ...weights, ...none, norm, eps: 1e-5 }, tables, out);
      return [{ name: "q", values: out.q.read(), width: heads * dim }];
    },
  };
}
