/** embed, qkv, output, logits and logProbs against the reference. */
import fc from "fast-check";
import type { Activation, DType } from "../../ffi/backend.ts";
import type { Random } from "../random.ts";
import { matrix } from "./matrix.ts";
import { outcome } from "./outcome.ts";
import type { Scope } from "./scope.ts";
import { parity, type Subject } from "./subject.ts";
import { type Outcome, TOLERANCE } from "./tolerance.ts";

const tokens = fc.oneof(fc.constantFrom(1, 2, 3, 7, 8, 17), fc.integer({ min: 1, max: 40 }));
const width = fc.oneof(
  fc.constantFrom(1, 8, 15, 16, 33, 64, 520),
  fc.integer({ min: 1, max: 200 }),
);
const dtype = fc.constantFrom<DType>("f32", "bf16");
const eps = fc.constantFrom(1e-5, 1e-6);

const weightTolerance = (shape: { readonly dtype: DType }) =>
  shape.dtype === "f32" ? TOLERANCE.f32 : TOLERANCE.sameBf16;

interface QkvShape {
  readonly tokens: number;
  readonly hidden: number;
  readonly dtype: DType;
  readonly eps: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly dim: number;
  readonly rotated: number;
  readonly tables: number;
  readonly hasTableOfHead: boolean;
  readonly hasBias: boolean;
  readonly hasHeadNorm: boolean;
}

const qkvShapes: fc.Arbitrary<QkvShape> = fc.record({
  tokens,
  hidden: width,
  dtype,
  eps,
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 4 }),
  dim: fc.constantFrom(20, 32, 64, 80, 96, 128),
  rotated: fc.constantFrom(0.1, 0.25, 0.5, 1),
  tables: fc.integer({ min: 1, max: 3 }),
  hasTableOfHead: fc.boolean(),
  hasBias: fc.boolean(),
  hasHeadNorm: fc.boolean(),
});

/** Registers the tests. */
export function modelCases(subject: Subject): void {
  parity(subject, "embed() equals the reference on f32 and bf16 tables", {
    runs: 30,
    shapes: fc.record({ tokens, hidden: width, vocab: width, dtype }),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, { tokens, hidden, vocab, dtype }) => {
      const ids = Int32Array.from({ length: tokens }, () => random.integer(0, vocab - 1));
      const table = matrix(scope, random, vocab, hidden, dtype);
      const out = scope.tensor([tokens, hidden]);
      await scope.backend.embed(ids, table, 1.5, out);
      return [outcome("out", out)];
    },
  });
  parity(
    subject,
    "qkv() equals the reference with and without biases, head norms and rope tables",
    {
      runs: 40,
      shapes: qkvShapes,
      tolerance: weightTolerance,
      work: qkv,
    },
  );
  parity(
    subject,
    "output() equals the reference with both activations, with and without post-norms",
    {
      runs: 30,
      shapes: fc.record({
        tokens,
        hidden: width,
        ffn: width,
        heads: fc.integer({ min: 1, max: 5 }),
        dim: fc.constantFrom(20, 32, 64),
        dtype,
        eps,
        activation: fc.constantFrom<Activation>("silu", "gelu_tanh"),
        hasPostNorms: fc.boolean(),
      }),
      tolerance: weightTolerance,
      work: async (scope, random, shape) => {
        const { tokens, hidden, ffn, heads, dim, dtype, eps, activation } = shape;
        const postNorm = () =>
          shape.hasPostNorms ? scope.tensor([hidden], random.normals(hidden)) : null;
        const x = matrix(scope, random, tokens, hidden);
        const attention = scope.tensor([tokens, heads, dim], random.normals(tokens * heads * dim));
        const weights = {
          wo: matrix(scope, random, hidden, heads * dim, dtype),
          attentionPostNorm: postNorm(),
          norm: scope.tensor([hidden], random.normals(hidden)),
          eps,
          wGate: matrix(scope, random, ffn, hidden, dtype),
          wUp: matrix(scope, random, ffn, hidden, dtype),
          wDown: matrix(scope, random, hidden, ffn, dtype),
          ffnPostNorm: postNorm(),
          activation,
        };
        await scope.backend.output(x, attention, weights);
        return [outcome("x", x)];
      },
    },
  );
  parity(subject, "output() equals the reference where gates are some hundreds", {
    runs: 10,
    shapes: fc.record({ activation: fc.constantFrom<Activation>("silu", "gelu_tanh") }),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, { activation }) => {
      const [x, attention] = [matrix(scope, random, 3, 32), matrix(scope, random, 3, 64)];
      const square = () => matrix(scope, random, 32, 32);
      const weights = {
        wo: matrix(scope, random, 32, 64),
        attentionPostNorm: null,
        norm: scope.tensor([32], new Float32Array(32).fill(300)),
        eps: 1e-6,
        wGate: square(),
        wUp: square(),
        wDown: square(),
        ffnPostNorm: null,
        activation,
      };
      await scope.backend.output(x, scope.tensor([3, 2, 32], attention.read()), weights);
      return [outcome("x", x)];
    },
  });
  parity(subject, "logits() and logProbs() equal the reference", {
    runs: 30,
    shapes: fc.record({ tokens, hidden: width, vocab: width, dtype, eps }),
    tolerance: weightTolerance,
    work: async (scope, random, { tokens, hidden, vocab, dtype, eps }) => {
      const x = matrix(scope, random, tokens, hidden);
      const norm = scope.tensor([hidden], random.normals(hidden));
      const out = scope.tensor([tokens, vocab]);
      await scope.backend.logits(x, norm, eps, matrix(scope, random, vocab, hidden, dtype), out);
      const targets = Int32Array.from({ length: tokens }, () => random.integer(0, vocab - 1));
      const logProbs = await scope.backend.logProbs(out, targets);
      return [outcome("logits", out), { name: "logProbs", values: logProbs, width: 1, floor: 1 }];
    },
  });
  parity(subject, "logProbs() equals the reference on logits of thousands", {
    runs: 10,
    shapes: fc.record({ tokens, vocab: width }),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, { tokens, vocab }) => {
      const logits = scope.tensor([tokens, vocab], random.normals(tokens * vocab, 1000));
      const targets = Int32Array.from({ length: tokens }, () => random.integer(0, vocab - 1));
      const values = await scope.backend.logProbs(logits, targets);
      return [{ name: "logProbs", values, width: 1, floor: 1000 }];
    },
  });
}

async function qkv(scope: Scope, random: Random, shape: QkvShape): Promise<Outcome[]> {
  const { tokens, hidden, kvHeads, dim, dtype, tables } = shape;
  const heads = kvHeads * shape.group;
  const half = Math.max(1, Math.floor(dim * shape.rotated / 2));
  const vector = (count: number) => scope.tensor([count], random.normals(count));
  const bias = (count: number) => shape.hasBias ? vector(count) : null;
  const weights = {
    norm: vector(hidden),
    eps: shape.eps,
    wq: matrix(scope, random, heads * dim, hidden, dtype),
    wk: matrix(scope, random, kvHeads * dim, hidden, dtype),
    wv: matrix(scope, random, kvHeads * dim, hidden, dtype),
    bq: bias(heads * dim),
    bk: bias(kvHeads * dim),
    bv: bias(kvHeads * dim),
    qNorm: shape.hasHeadNorm ? vector(dim) : null,
    kNorm: shape.hasHeadNorm ? vector(dim) : null,
  };
  const angles = random.normals(tables * tokens * half, 3);
  const cos = scope.tensor([tables, tokens, half], angles.map(Math.cos));
  const sin = scope.tensor([tables, tokens, half], angles.map(Math.sin));
  const choose = () => random.integer(0, tables - 1);
  const tableOfHead = Int32Array.from({ length: heads + kvHeads }, choose);
  const rope = shape.hasTableOfHead ? { cos, sin, tableOfHead } : { cos, sin };
  const out = {
    q: scope.tensor([tokens, heads, dim]),
    k: scope.tensor([tokens, kvHeads, dim]),
    v: scope.tensor([tokens, kvHeads, dim]),
  };
  await scope.backend.qkv(matrix(scope, random, tokens, hidden), weights, rope, out);
  return [outcome("q", out.q), outcome("k", out.k), outcome("v", out.v)];
}
