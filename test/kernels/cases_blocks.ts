/** Quantised weights: each type in every operation, and what is made of f32. */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Backend, BlockType, WeightDType, WeightFile } from "../../ffi/backend.ts";
import { encodeBlocks } from "../../kernels/reference/blocks.ts";
import { inFolder } from "../in_folder.ts";
import { Random } from "../random.ts";
import { BLOCK_TYPES, blockMatrix, randomBlocks } from "./block_matrix.ts";
import { matrix } from "./matrix.ts";
import { outcome } from "./outcome.ts";
import { Scope } from "./scope.ts";
import { parity, type Subject, test } from "./subject.ts";
import { TOLERANCE } from "./tolerance.ts";

/** Rows on either side of where kernels change. */
const rows = fc.oneof(fc.constantFrom(1, 2, 3, 8, 40, 41, 70), fc.integer({ min: 1, max: 70 }));
const outputs = fc.oneof(fc.constantFrom(1, 4, 33, 64, 70), fc.integer({ min: 1, max: 90 }));

/** Registers the tests. */
export function blockCases(subject: Subject): void {
  for (const type of BLOCK_TYPES) typeCases(subject, type);
  layerCases(subject);
  conversionCases(subject);
}

function typeCases(subject: Subject, type: BlockType): void {
  const unit = type.endsWith("k") ? 256 : 32;
  parity(subject, `embed() gives what blocks of ${type} stand for`, {
    runs: 4,
    shapes: fc.record({ tokens: rows, width: fc.integer({ min: 1, max: 4 }) }),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, { tokens, width }) => {
      const ids = Int32Array.from({ length: tokens }, () => random.integer(0, 8));
      const table = await blockMatrix(scope, random, 9, width * unit, type);
      const out = scope.tensor([tokens, width * unit]);
      await scope.backend.embed(ids, table, 1.5, out);
      return [outcome("out", out), outcome("table", table)];
    },
  });
  parity(subject, `logits() equals the reference on blocks of ${type}`, {
    runs: 12,
    shapes: fc.record({ tokens: rows, width: fc.integer({ min: 1, max: 5 }), vocab: outputs }),
    tolerance: TOLERANCE.blocks,
    work: async (scope, random, { tokens, width, vocab }) => {
      const head = await blockMatrix(scope, random, vocab, width * unit, type);
      const norm = scope.tensor([width * unit], random.normals(width * unit));
      const x = matrix(scope, random, tokens, width * unit);
      const out = scope.tensor([tokens, vocab]);
      await scope.backend.logits(x, norm, 1e-5, head, out);
      // Terms of either sign: a single output may be near zero.
      return [{ ...outcome("logits", out), width: tokens * vocab }];
    },
  });
}

function layerCases(subject: Subject): void {
  const mixed = fc.array(
    fc.constantFrom<WeightDType>("f32", "bf16", "f16", "q8_0", "q4_1"),
    { minLength: 4, maxLength: 4 },
  );
  parity(subject, "qkv() takes a type for each matrix", {
    runs: 12,
    shapes: fc.record({ tokens: rows, types: mixed }),
    tolerance: TOLERANCE.blocks,
    work: async (scope, random, { tokens, types }) => {
      const weights = {
        norm: scope.tensor([64], random.normals(64)),
        eps: 1e-5,
        wq: matrix(scope, random, 64, 64, types[0]),
        wk: matrix(scope, random, 32, 64, types[1]),
        wv: matrix(scope, random, 32, 64, types[2]),
        ...{ bq: null, bk: null, bv: null, qNorm: null, kNorm: null },
      };
      const angles = random.normals(tokens * 8, 3);
      const rope = {
        cos: scope.tensor([1, tokens, 8], angles.map(Math.cos)),
        sin: scope.tensor([1, tokens, 8], angles.map(Math.sin)),
      };
      const [k, v] = [scope.tensor([tokens, 2, 16]), scope.tensor([tokens, 2, 16])];
      const out = { q: scope.tensor([tokens, 4, 16]), k, v };
      await scope.backend.qkv(matrix(scope, random, tokens, 64), weights, rope, out);
      return Object.entries(out).map(([name, tensor]) => outcome(name, tensor));
    },
  });
  parity(subject, "output() takes a type for each matrix", {
    runs: 12,
    shapes: fc.record({ tokens: rows, types: mixed, hasPostNorms: fc.boolean() }),
    tolerance: 4 * TOLERANCE.blocks, // three products in turn, between norms that may enlarge errors
    work: async (scope, random, { tokens, types, hasPostNorms }) => {
      const postNorm = () => hasPostNorms ? scope.tensor([96], random.normals(96)) : null;
      const weights = {
        wo: matrix(scope, random, 96, 64, types[0]),
        attentionPostNorm: postNorm(),
        norm: scope.tensor([96], random.normals(96)),
        eps: 1e-5,
        wGate: matrix(scope, random, 128, 96, types[1]),
        wUp: matrix(scope, random, 128, 96, types[2]),
        wDown: matrix(scope, random, 96, 128, types[3]),
        ffnPostNorm: postNorm(),
        activation: "silu" as const,
      };
      const x = matrix(scope, random, tokens, 96);
      const attention = scope.tensor([tokens, 4, 16], random.normals(tokens * 64));
      await scope.backend.output(x, attention, weights);
      return [outcome("x", x)];
    },
  });
}

function conversionCases(subject: Subject): void {
  for (const type of ["q8_0", "q4_1"] as const) {
    test(subject, `openWeights() quantises f32 to ${type} as it is defined`, async (backend) => {
      const numbers = new Random(5).normals(70 * 64);
      numbers.fill(0, 64, 96);
      await withFile(backend, numbers, async (scope, file) => {
        const quantised = await file.tensor(0, "f32", [70, 64], type);
        assertEquals(quantised.dtype, type);
        assertEquals(quantised.sizeBytes, encodeBlocks(numbers, type).length);
        assertEquals(quantised.read(), scope.tensor([70, 64], numbers, type).read());
      });
    });
    test(subject, `openWeights() refuses to quantise NaN to ${type}`, async (backend) => {
      await withFile(backend, new Float32Array(64).fill(NaN, 40, 41), async (_, file) => {
        const before = backend.allocatedBytes();
        await assertRejects(() => file.tensor(0, "f32", [2, 32], type), Error, "finite");
        assertEquals(backend.allocatedBytes(), before);
      });
    });
  }
  test(subject, "openWeights() puts rows of blocks in order", async (backend) => {
    await withFile(backend, randomBlocks(new Random(3), "q5_0", 12), async (_, file) => {
      const order = Int32Array.of(2, 0, 3, 1);
      const plain = await file.tensor(0, "q5_0", [4, 96], "q5_0");
      const ordered = await file.tensor(0, "q5_0", [4, 96], "q5_0", order);
      const rows = [...order].flatMap((row) => [...plain.rows(row, 1).read()]);
      assertEquals([...ordered.read()], rows);
    });
  });
  test(subject, "openWeights() refuses to make blocks of blocks", async (backend) => {
    await withFile(backend, new Float32Array(64), async (_, file) => {
      const read = () => file.tensor(0, "q4_0", [1, 32], "q8_0");
      await assertRejects(read, RangeError, "q4_0 can become");
    });
  });
}

async function withFile(
  backend: Backend,
  { buffer }: Float32Array | Uint8Array,
  body: (scope: Scope, file: WeightFile) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    using scope = new Scope(backend);
    await Deno.writeFile(`${folder}/weights`, new Uint8Array(buffer));
    await body(scope, scope.keep(await backend.openWeights(`${folder}/weights`)));
  });
}
