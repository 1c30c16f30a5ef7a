/** Cases of embed, qkv, output, logits, logProbs and of weight files. */
import type {
  Activation,
  BlockType,
  Compute,
  DType,
  Tensor,
  WeightDType,
} from "../../ffi/backend.ts";
import { inFolder } from "../in_folder.ts";
import { BLOCK_TYPES, blockMatrix } from "../kernels/block_matrix.ts";
import { matrix } from "../kernels/matrix.ts";
import type { Scope } from "../kernels/scope.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const DTYPES: readonly DType[] = ["f32", "bf16"];
const FILE_DTYPES: readonly WeightDType[] = ["f32", "bf16", "f16"];
const EPS = 1e-5;

/** Rows of a call, its weights and its products. */
interface Projection {
  readonly rows: number;
  readonly dtype: DType;
  readonly compute: Compute;
}

/** All of them. */
export function modelCases(): Case[] {
  return [
    ...DTYPES.map(embedCase),
    ...[19, 70].flatMap((rows) =>
      DTYPES.flatMap((dtype) => projections({ rows, dtype, compute: "f32" }))
    ),
    ...projections({ rows: 70, dtype: "bf16", compute: "bf16" }),
    ...FILE_DTYPES.flatMap((stored) => DTYPES.map((as) => fileCase(stored, as))),
    ...BLOCK_TYPES.flatMap((type) => [1, 5, 19].map((rows) => blockCase(type, rows))),
    ...(["q8_0", "q4_1"] as const).map(quantiseCase),
    largeLogits(),
    cancelledOutput(),
  ];
}

function embedCase(dtype: DType): Case {
  return {
    name: `embed, ${dtype}`,
    tolerance: TOLERANCE.f32,
    work: (scope, random) => embed(scope, random, matrix(scope, random, 41, 33, dtype)),
  };
}

function projections(call: Projection): Case[] {
  const { rows, dtype, compute } = call;
  const described = `${rows} rows, ${dtype} weights, products of ${compute}`;
  const same = { tolerance: TOLERANCE[compute], compute };
  const activations: readonly Activation[] = ["silu", "gelu_tanh"];
  return [
    ...[false, true].map((isFull): Case => ({
      ...same,
      name: `qkv, ${isFull ? "with" : "without"} biases, head norms, rope tables, ${described}`,
      work: (scope, random) => qkv(scope, random, call, isFull),
    })),
    ...activations.map((activation): Case => ({
      ...same,
      name: `output, ${activation}, ${described}`,
      work: (scope, random) => output(scope, random, call, activation),
    })),
    {
      ...same,
      name: `logits and log_probs, ${described}`,
      work: (scope, random) => logits(scope, random, call),
    },
  ];
}

async function embed(scope: Scope, random: Random, table: Tensor): Promise<Outcome[]> {
  const [vocab, hidden] = [table.shape[0]!, table.shape[1]!];
  const ids = Int32Array.from({ length: 50 }, () => random.integer(0, vocab - 1));
  const out = scope.tensor([ids.length, hidden]);
  await scope.backend.embed(ids, table, 1.5, out);
  return [{ name: "out", values: out.read(), width: hidden }];
}

async function qkv(
  scope: Scope,
  random: Random,
  { rows: tokens, dtype }: Projection,
  isFull: boolean,
): Promise<Outcome[]> {
  const [hidden, heads, kvHeads, dim, tables] = [67, 4, 2, 20, 2];
  const half = isFull ? 5 : dim / 2;
  const maybe = (count: number) => isFull ? vector(scope, random, count) : null;
  const weights = {
    norm: vector(scope, random, hidden),
    eps: EPS,
    wq: matrix(scope, random, heads * dim, hidden, dtype),
    wk: matrix(scope, random, kvHeads * dim, hidden, dtype),
    wv: matrix(scope, random, kvHeads * dim, hidden, dtype),
    bq: maybe(heads * dim),
    bk: maybe(kvHeads * dim),
    bv: maybe(kvHeads * dim),
    qNorm: maybe(dim),
    kNorm: maybe(dim),
  };
  const angles = random.normals(tables * tokens * half, 3);
  const cos = scope.tensor([tables, tokens, half], angles.map(Math.cos));
  const sin = scope.tensor([tables, tokens, half], angles.map(Math.sin));
  const rope = isFull ? { cos, sin, tableOfHead: Int32Array.of(0, 1, 1, 0, 1, 0) } : { cos, sin };
  const rows = (count: number) => scope.tensor([tokens, count, dim]);
  const out = { q: rows(heads), k: rows(kvHeads), v: rows(kvHeads) };
  await scope.backend.qkv(matrix(scope, random, tokens, hidden), weights, rope, out);
  return Object.entries(out).map(([name, tensor]) => ({
    name,
    values: tensor.read(),
    width: tensor.shape[1]! * dim,
  }));
}

async function output(
  scope: Scope,
  random: Random,
  { rows: tokens, dtype }: Projection,
  activation: Activation,
): Promise<Outcome[]> {
  const [hidden, ffn, heads, dim] = [67, 130, 3, 20];
  const x = matrix(scope, random, tokens, hidden);
  const rows = random.normals(tokens * heads * dim);
  const attention = scope.tensor([tokens, heads, dim], rows);
  const hasPostNorms = activation === "gelu_tanh";
  const weights = outputWeights(
    scope,
    random,
    { hidden, ffn, width: heads * dim },
    dtype,
    hasPostNorms,
  );
  await scope.backend.output(x, attention, { ...weights, activation });
  return [{ name: "x", values: x.read(), width: hidden }];
}

async function logits(
  scope: Scope,
  random: Random,
  { rows, dtype }: Projection,
): Promise<Outcome[]> {
  const [hidden, vocab] = [130, 517];
  const x = matrix(scope, random, rows, hidden);
  const head = matrix(scope, random, vocab, hidden, dtype);
  const out = scope.tensor([rows, vocab]);
  await scope.backend.logits(x, vector(scope, random, hidden), EPS, head, out);
  const targets = Int32Array.from({ length: rows }, () => random.integer(0, vocab - 1));
  const probs = await scope.backend.logProbs(out, targets);
  return [
    { name: "logits", values: out.read(), width: vocab },
    { name: "log_probs", values: probs, width: 1, floor: 1 },
  ];
}

/** A head of blocks in a file; rows that end with a group of its own, and one of fewer. */
function blockCase(type: BlockType, rows: number): Case {
  return {
    name: `logits, ${rows} rows, blocks of ${type}`,
    tolerance: TOLERANCE.blocks,
    work: async (scope, random) => {
      const [hidden, vocab] = [type.endsWith("k") ? 512 : 352, 70];
      const head = await blockMatrix(scope, random, vocab, hidden, type);
      const x = matrix(scope, random, rows, hidden);
      const out = scope.tensor([rows, vocab]);
      await scope.backend.logits(x, vector(scope, random, hidden), EPS, head, out);
      // Terms of either sign: a single output may be near zero.
      return [{ name: "logits", values: out.read(), width: rows * vocab }];
    },
  };
}

/** Numbers of a file quantised when they are read, shown by embedding them. */
function quantiseCase(type: "q8_0" | "q4_1"): Case {
  return {
    name: `convert, f32 in a file to ${type}`,
    tolerance: TOLERANCE.f32,
    work: async (scope, random) =>
      await inFolder(async (folder) => {
        const numbers = random.normals(90 * 64);
        await Deno.writeFile(`${folder}/weights`, new Uint8Array(numbers.buffer));
        const file = scope.keep(await scope.backend.openWeights(`${folder}/weights`));
        return await embed(scope, random, await file.tensor(0, "f32", [90, 64], type));
      }),
  };
}

function largeLogits(): Case {
  return {
    name: "log_probs, logits of 1e30",
    tolerance: TOLERANCE.f32,
    work: async (scope, random) => {
      const values = random.normals(7 * 33, 1e30);
      const targets = Int32Array.from({ length: 7 }, () => random.integer(0, 32));
      const probs = await scope.backend.logProbs(scope.tensor([7, 33], values), targets);
      return [{ name: "log_probs", values: probs, width: 1, floor: 1 }];
    },
  };
}

/** A tensor at an odd offset of a file, shown by embedding its rows. */
function fileCase(stored: WeightDType, as: DType): Case {
  return {
    name: `convert, ${stored} in a file to ${as}`,
    tolerance: 0,
    work: async (scope, random) => {
      const [rows, width, offset] = [700, 100, 3];
      const words = Uint16Array.from({ length: 2 * rows * width }, () => finiteWord(random));
      const path = await Deno.makeTempFile();
      try {
        await Deno.writeFile(path, new Uint8Array([1, 2, 3, ...new Uint8Array(words.buffer)]));
        const file = scope.keep(await scope.backend.openWeights(path));
        return await embed(scope, random, await file.tensor(offset, stored, [rows, width], as));
      } finally {
        await Deno.remove(path);
      }
    },
  };
}

/** Half a word of random bits that is a number of size 1 or so as f16, as bf16 and as upper half of an f32. */
function finiteWord(random: Random): number {
  const sign = random.chance(0.5) ? 0x8000 : 0;
  return sign | random.integer(0x3c00, 0x42ff);
}

function cancelledOutput(): Case {
  return {
    name: "output, cancelled",
    tolerance: 0,
    isCancelled: true,
    work: async (scope, random) => {
      const [tokens, hidden, ffn] = [2000, 256, 1024];
      const x = matrix(scope, random, tokens, hidden);
      const attention = scope.tensor([tokens, 4, 64], random.normals(tokens * 256));
      const weights = outputWeights(scope, random, { hidden, ffn, width: 256 }, "f32", false);
      const control = scope.backend.control();
      await scope.backend.output(x, attention, { ...weights, activation: "silu" }, control);
      return [];
    },
  };
}

function outputWeights(
  scope: Scope,
  random: Random,
  { hidden, ffn, width }: { readonly hidden: number; readonly ffn: number; readonly width: number },
  dtype: DType,
  hasPostNorms: boolean,
) {
  return {
    wo: matrix(scope, random, hidden, width, dtype),
    attentionPostNorm: hasPostNorms ? vector(scope, random, hidden) : null,
    norm: vector(scope, random, hidden),
    eps: EPS,
    wGate: matrix(scope, random, ffn, hidden, dtype),
    wUp: matrix(scope, random, ffn, hidden, dtype),
    wDown: matrix(scope, random, hidden, ffn, dtype),
    ffnPostNorm: hasPostNorms ? vector(scope, random, hidden) : null,
  };
}

function vector(scope: Scope, random: Random, count: number): Tensor {
  return scope.tensor([count], random.normals(count));
}
