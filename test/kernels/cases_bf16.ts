/**
 * attendTiles, verticalSlash and projections of many rows with products of bf16, against the reference. Operands are numbers that bf16
 * holds, so that scores are exact but for their sums; the last cases are for other numbers.
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type DType, type KvDType, TILE_FULL, type TilePlan } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { bf16ToF32, f32ToBf16 } from "../../kernels/reference/bf16.ts";
import { Random } from "../random.ts";
import { anyKind, attendTiles } from "./cases_attention.ts";
import { type Drawing, inputs, sums } from "./cases_estimates.ts";
import { densePlan, TILE_PLAN_KINDS, type TilePlanKind } from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { type AttentionShape, attentionShapes, outcomes, outputs, randomKv } from "./shapes.ts";
import { parity, type Subject, test } from "./subject.ts";
import { assertClose, type Outcome, TOLERANCE } from "./tolerance.ts";

/** Registers the tests. */
export function bf16Cases(subject: Subject): void {
  tileCases(subject);
  edgeCases(subject);
  linearCases(subject);
  sumCases(subject);
}

const toBf16 = (values: Float32Array) => values.map((x) => bf16ToF32(f32ToBf16(x)));

const attend =
  (kindOf: (random: Random) => TilePlanKind, dtype: KvDType, sharpness = 1) =>
  async (scope: Scope, random: Random, shape: AttentionShape): Promise<Outcome[]> =>
    await attendTiles(scope, random, shape, kindOf, dtype, sharpness, toBf16);

function tileCases(subject: Subject): void {
  const same = { shapes: attentionShapes, tolerance: TOLERANCE.bf16Products };
  for (const kind of TILE_PLAN_KINDS) {
    const work = attend(() => kind, "bf16");
    const criterion = `attendTiles() of bf16 products equals the reference on ${kind} plans`;
    parity(subject, criterion, { ...same, runs: 20, work });
  }
  for (const dtype of ["f32", "int8"] as const) {
    parity(subject, `attendTiles() of bf16 products equals the reference on ${dtype} pages`, {
      ...same,
      runs: 20,
      work: attend(anyKind, dtype),
    });
  }
  parity(subject, "attendTiles() of bf16 products equals the reference on scores of hundreds", {
    ...same,
    runs: 20,
    work: attend(anyKind, "bf16", 60),
  });
  parity(subject, "attendTiles() of bf16 products takes a scale of 0 and negative ones", {
    ...same,
    runs: 10,
    shapes: fc.tuple(attentionShapes, fc.constantFrom(0, -1, -20)),
    work: (scope, random, [shape, sharpness]) =>
      attend(anyKind, "bf16", sharpness)(scope, random, shape),
  });
  parity(subject, "attendTiles() of bf16 products shares pages among row tiles and heads", {
    ...same,
    runs: 2,
    shapes: fc.constantFrom(
      { tokens: 300, kvLength: 1100, kvHeads: 1, group: 1, dim: 64 },
      { tokens: 130, kvLength: 700, kvHeads: 2, group: 4, dim: 32 },
    ),
    work: attend(() => "dense", "bf16"),
  });
  parity(subject, "attendTiles() of bf16 products takes whole tiles of many pages together", {
    ...same,
    runs: 5,
    shapes: fc.constantFrom(
      { tokens: 130, kvLength: 2300, kvHeads: 2, group: 1, dim: 64 },
      { tokens: 65, kvLength: 1800, kvHeads: 1, group: 3, dim: 32 },
    ),
    work: attend(() => "aligned", "bf16"),
  });
  parity(subject, "attendTiles() of bf16 products is close to the reference on other numbers", {
    runs: 10,
    shapes: attentionShapes,
    tolerance: TOLERANCE.bf16,
    work: (scope, random, shape) => attendTiles(scope, random, shape, () => "dense", "f32"),
  });
}

function edgeCases(subject: Subject): void {
  for (const [what, draw] of [["equal", 0], ["huge", 1e18]] as const) {
    parity(subject, `attendTiles() of bf16 products equals the reference on ${what} scores`, {
      runs: 3,
      shapes: fc.constantFrom(1, 33, 300),
      tolerance: TOLERANCE.bf16Products,
      work: async (scope, random, length) => await denseOf(scope, random, length, draw),
    });
  }
  test(subject, "attendTiles() of bf16 products reads no NaN outside the plan", async (backend) => {
    using scope = new Scope(backend);
    const random = new Random(3);
    const kv = await scope.kv(randomKv(random, { kvLength: 1024, kvHeads: 1, dim: 32 }));
    const nan = (count: number) =>
      scope.tensor([count, 1, 32], new Float32Array(count * 32).fill(NaN));
    const q = scope.tensor([4, 1, 32], random.normals(128));
    const [wanted, out] = [outputs(scope, 4, 1, 32), outputs(scope, 4, 1, 32, 7)];
    const plan = tilesAt(270, 470, 560);
    const view = { table: kv.table, length: 600 };
    await backend.attendTiles(q, 596, 0.2, view, [plan], wanted);
    for (const [start, count] of [[0, 256], [600, 168], [768, 256]] as const) {
      const [rows, positions] = [nan(count), new Float32Array(count)];
      await backend.append(kv.table, start, rows, rows, positions);
    }
    await backend.attendTiles(q, 596, 0.2, view, [plan], out);
    assertEquals([...out.out.read()], [...wanted.out.read()]);
    assertEquals([...out.lse.read()], [...wanted.lse.read()]);
  });
  test(
    subject,
    "attendTiles() of bf16 products shows a NaN that the plan holds",
    async (backend) => {
      using scope = new Scope(backend);
      const data = randomKv(new Random(4), { kvLength: 100, kvHeads: 1, dim: 32 });
      data.k[50 * 32] = NaN;
      const out = outputs(scope, 100, 1, 32);
      const plan = densePlan({ tokens: 100, qStart: 0, kvLength: 100 });
      const q = scope.tensor([100, 1, 32], new Float32Array(3200).fill(1));
      await backend.attendTiles(q, 0, 0.2, await scope.kv(data), [plan], out);
      const isNan = [...out.lse.read()].map(Number.isNaN);
      assertEquals([isNan.lastIndexOf(false), isNan.indexOf(true)], [49, 50]);
    },
  );
  test(subject, "attendTiles() of bf16 products gives the same bits again", async (backend) => {
    using scope = new Scope(backend);
    const shape = { tokens: 200, kvLength: 900, kvHeads: 2, group: 2, dim: 64 };
    const once = () => attend(anyKind, "bf16")(scope, new Random(8), shape);
    const [first, second] = [await once(), await once()];
    for (const [i, { values }] of first.entries()) assertEquals(second[i]!.values, values);
  });
}

function linearCases(subject: Subject): void {
  const shapes = fc.record({
    rows: fc.integer({ min: 41, max: 100 }),
    hidden: fc.constantFrom(1, 31, 32, 33, 100, 600),
    vocab: fc.constantFrom(1, 31, 32, 65, 300),
  });
  parity(subject, "logits() of bf16 products of many rows are close to the reference", {
    runs: 15,
    shapes,
    tolerance: TOLERANCE.bf16,
    work: async (scope, random, { rows, hidden, vocab }) => {
      const x = scope.tensor([rows, hidden], random.normals(rows * hidden));
      const norm = scope.tensor([hidden], random.normals(hidden));
      const head = scope.tensor([vocab, hidden], random.normals(vocab * hidden), "bf16");
      const out = scope.tensor([rows, vocab]);
      await scope.backend.logits(x, norm, 1e-5, head, out);
      return [{ name: "logits", values: out.read(), width: vocab, floor: Math.sqrt(hidden) }];
    },
  });
  test(
    subject,
    "logits() of many rows takes bf16 products for bf16 weights only",
    async (backend) => {
      using scope = new Scope(backend);
      const [rows, hidden, vocab] = [64, 96, 70];
      const random = new Random(9);
      const x = scope.tensor([rows, hidden], random.normals(rows * hidden));
      const norm = scope.tensor([hidden], new Float32Array(hidden).fill(1));
      const weights = toBf16(random.normals(vocab * hidden));
      const logits = async (dtype: DType, input = x) => {
        const out = scope.tensor([input.shape[0]!, vocab]);
        await backend.logits(input, norm, 1e-5, scope.tensor([vocab, hidden], weights, dtype), out);
        return { name: "logits", values: out.read(), width: vocab };
      };
      const [exact, rounded] = [await logits("f32"), await logits("bf16")];
      assertClose(rounded, exact, TOLERANCE.bf16);
      assertEquals(
        rounded.values.some((value, i) => Math.abs(value - exact.values[i]!) > 1e-4),
        true,
      );
    },
  );
}

const sumsOf = (drawing: Drawing) => async (scope: Scope, random: Random, shape: AttentionShape) =>
  await sums(scope, await inputs(scope, random, shape, drawing), random);

function sumCases(subject: Subject): void {
  const exact = (random: Random, count: number) => toBf16(random.normals(count));
  for (const dtype of ["f32", "bf16"] as const) {
    parity(subject, `verticalSlash() of bf16 products equals the reference on ${dtype} pages`, {
      runs: 20,
      shapes: attentionShapes,
      tolerance: TOLERANCE.f32,
      work: sumsOf({ dtype, draw: exact }),
    });
  }
  parity(subject, "verticalSlash() of bf16 products equals the reference over several spans", {
    runs: 3,
    shapes: fc.constantFrom(
      { tokens: 64, kvLength: 4500, kvHeads: 1, group: 2, dim: 20 },
      { tokens: 100, kvLength: 2049, kvHeads: 1, group: 3, dim: 64 },
    ),
    tolerance: TOLERANCE.f32,
    work: sumsOf({ dtype: "bf16", draw: exact }),
  });
  parity(subject, "verticalSlash() of bf16 products is close to the reference on int8 pages", {
    runs: 5,
    shapes: attentionShapes,
    tolerance: TOLERANCE.f32,
    work: sumsOf({ dtype: "int8", draw: exact }),
  });
  parity(subject, "verticalSlash() of bf16 products takes a scale of 0 and negative ones", {
    runs: 10,
    shapes: fc.tuple(attentionShapes, fc.constantFrom(0, -1, -20)),
    tolerance: TOLERANCE.largeScores,
    work: (scope, random, [shape, sharpness]) =>
      sumsOf({ draw: exact, sharpness })(scope, random, shape),
  });
}

/** Registers the test that sums of columns and diagonals come from rounded products, which they may and CUDA's do not. */
export function roundedSumsCase(subject: Subject): void {
  test(subject, "verticalSlash() takes bf16 products", async (backend) => {
    const shape = { tokens: 64, kvLength: 300, kvHeads: 1, group: 1, dim: 64 };
    using scope = new Scope(backend);
    using reference = new Scope(openReferenceBackend());
    const of = async (scope: Scope) => (await sumsOf({})(scope, new Random(5), shape))[0]!;
    const [rounded, wanted] = [await of(scope), await of(reference)];
    assertClose(rounded, wanted, TOLERANCE.bf16);
    assertThrows(() => assertClose(rounded, wanted, TOLERANCE.f32));
  });
}

async function denseOf(
  scope: Scope,
  random: Random,
  length: number,
  deviation: number,
): Promise<Outcome[]> {
  const shape = { kvLength: length, kvHeads: 1, dim: 64 };
  const draw = (count: number) => toBf16(random.normals(count, deviation));
  const kv = await scope.kv({ ...randomKv(random, shape), k: draw(length * 64) });
  const q = scope.tensor([length, 2, 64], draw(length * 128));
  const out = outputs(scope, length, 2, 64, 3);
  const plan = densePlan({ tokens: length, qStart: 0, kvLength: length });
  await scope.backend.attendTiles(q, 0, 0.125, kv, [plan, plan], out);
  return outcomes(out);
}

/** Full tiles of 32 keys for 4 rows. */
function tilesAt(...keyStart: number[]): TilePlan {
  return {
    ...{ tileQ: 4, tileK: 32, rowPtr: Int32Array.of(0, keyStart.length) },
    keyStart: Int32Array.from(keyStart),
    kind: new Int32Array(keyStart.length).fill(TILE_FULL),
    ...{ colPtr: Int32Array.of(0, 0), columns: new Int32Array(), masks: new Int32Array() },
  };
}
