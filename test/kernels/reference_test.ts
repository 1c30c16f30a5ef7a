/** The reference backend against torch and transformers in float64 (`fixtures/make_reference.py`). */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type {
  Activation,
  Backend,
  KeyPlan,
  KvView,
  PartialAttention,
  Tensor,
} from "../../ffi/backend.ts";
import { BackendError } from "../../ffi/errors.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { bf16ToF32, f16ToF32, f32ToBf16 } from "../../kernels/reference/bf16.ts";
import { contractSuite, indexContractSuite } from "./backend_suite.ts";
import { Fixture } from "./fixture.ts";
import { densePlan, maskedPlan } from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { assertClose } from "./tolerance.ts";

/** The reference computes in float64 and rounds its result once: 6e-8 relative, and some for the fixture's digits. */
const TOLERANCE = 3e-7;

contractSuite("reference", () => Promise.resolve(openReferenceBackend()));
indexContractSuite("reference", () => Promise.resolve(openReferenceBackend()));

Deno.test("embed() equals torch's embedding", async () => {
  await withFixture("embed", async (fixture, scope) => {
    const out = zeros(scope, fixture, "out");
    const table = input(scope, fixture, "table");
    await scope.backend.embed(fixture.array("ids").i32, table, fixture.number("scale"), out);
    equalsFixture(out.read(), fixture, "out");
  });
});

Deno.test("qkv() equals torch's rms_norm and transformers' rotary embedding", async () => {
  await withFixture("qkv", async (fixture, scope) => {
    const tensor = (key: string) => input(scope, fixture, key);
    const weights = {
      norm: tensor("norm"),
      eps: fixture.number("eps"),
      wq: tensor("wq"),
      wk: tensor("wk"),
      wv: tensor("wv"),
      bq: tensor("bq"),
      bk: tensor("bk"),
      bv: tensor("bv"),
      qNorm: tensor("qNorm"),
      kNorm: tensor("kNorm"),
    };
    const tableOfHead = fixture.array("tableOfHead").i32;
    const rope = { cos: tensor("cos"), sin: tensor("sin"), tableOfHead };
    const zero = (key: string) => zeros(scope, fixture, key);
    const out = { q: zero("q"), k: zero("k"), v: zero("v") };
    await scope.backend.qkv(tensor("x"), weights, rope, out);
    for (const key of ["q", "k", "v"] as const) equalsFixture(out[key].read(), fixture, key);
  });
});

for (const [name, activation] of [["outputSilu", "silu"], ["outputGelu", "gelu_tanh"]] as const) {
  Deno.test(`output() equals torch with ${activation}`, async () => {
    await withFixture(
      name,
      async (fixture, scope) => await compareOutput(fixture, scope, activation),
    );
  });
}

Deno.test("logits() and logProbs() equal torch's rms_norm and cross_entropy", async () => {
  await withFixture("logits", async (fixture, scope) => {
    const [x, norm, head] = ["x", "norm", "head"].map((key) => input(scope, fixture, key));
    const out = zeros(scope, fixture, "out");
    await scope.backend.logits(x!, norm!, fixture.number("eps"), head!, out);
    equalsFixture(out.read(), fixture, "out");
    const logProbs = await scope.backend.logProbs(out, fixture.array("targets").i32);
    equalsFixture(logProbs, fixture, "logProbs");
  });
});

Deno.test("attendTiles() equals torch's scaled_dot_product_attention on a causal plan", async () => {
  await withAttention("causal", async ({ fixture, scope, q, kv, out, scale, qStart }) => {
    const [tokens = 0, heads = 0] = q.shape;
    const plan = densePlan({ tokens, qStart, kvLength: kv.length }, 3, 32);
    const plans = Array.from({ length: heads }, () => plan);
    await scope.backend.attendTiles(q, qStart, scale, kv, plans, out);
    equalsAttention(out, fixture);
  });
});

Deno.test("attendTiles() equals torch's scaled_dot_product_attention on masks", async () => {
  await withAttention("masked", async ({ fixture, scope, q, kv, out, scale, qStart, allows }) => {
    const [tokens = 0, heads = 0] = q.shape;
    const extent = { tokens, qStart, kvLength: kv.length };
    const planOf = (head: number) =>
      maskedPlan(extent, (row, key) => allows(head, row, key), 4, head % 2 ? 64 : 32);
    const plans = Array.from({ length: heads }, (_, head) => planOf(head));
    await scope.backend.attendTiles(q, qStart, scale, kv, plans, out);
    equalsAttention(out, fixture);
  });
});

Deno.test("attendKeys() equals torch's scaled_dot_product_attention", async () => {
  await withAttention("masked", async ({ fixture, scope, q, kv, out, scale, plansOf }) => {
    await scope.backend.attendKeys(q, scale, kv, plansOf(() => true), out);
    equalsAttention(out, fixture);
  });
});

Deno.test("merge() of two key sets equals torch on their union", async () => {
  await withAttention("masked", async ({ fixture, scope, q, kv, out, scale, plansOf }) => {
    const rest = { out: zeros(scope, fixture, "out"), lse: zeros(scope, fixture, "lse") };
    await scope.backend.attendKeys(q, scale, kv, plansOf((key) => key % 3 === 0), out);
    await scope.backend.attendKeys(q, scale, kv, plansOf((key) => key % 3 !== 0), rest);
    await scope.backend.merge(out, rest, out);
    equalsAttention(out, fixture);
  });
});

Deno.test("attentionRow() weighs the values to torch's output", async () => {
  await withAttention("masked", async ({ fixture, scope, q, kv, scale, plansOf }) => {
    const plans = plansOf(() => true);
    const [, heads = 0, dim = 0] = q.shape;
    for (const [row, head] of [[0, 0], [5, 3], [2, 1]] as const) {
      const plan = plans[row * heads + head]!;
      const { probs, lse } = await scope.backend.attentionRow(q, row, head, scale, kv, plan);
      const { v } = await scope.backend.readKv(kv.table, Math.floor(head / 2), 0, kv.length);
      const out = Float32Array.from({ length: dim }, (_, d) => weigh(probs, v, dim, d));
      const first = (row * heads + head) * dim;
      const wanted = fixture.array("out").f32.subarray(first, first + dim);
      assertClose(rowOf(out), rowOf(wanted), 1e-6);
      assertClose(rowOf([lse]), rowOf([fixture.array("lse").f32[row * heads + head]!]), TOLERANCE);
    }
  });
});

Deno.test("poolMap() equals torch's pooled softmax", async () => {
  await withFixture("poolMap", async (fixture, scope) => {
    const { shape, f32 } = fixture.array("k");
    const [length = 0, kvHeads = 0, dim = 0] = shape;
    const kv = await scope.kv({ k: f32, v: f32, length, kvHeads, dim });
    const bins = fixture.number("bins");
    const sum = new Float32Array(bins * bins);
    const max = new Float32Array(bins * bins);
    const head = fixture.number("head");
    const q = input(scope, fixture, "q");
    await scope.backend.poolMap(q, 0, head, fixture.number("scale"), kv, bins, sum, max);
    equalsFixture(sum, fixture, "sum");
    equalsFixture(max, fixture, "max");
  });
});

Deno.test("topKeys() equals torch's topk", async () => {
  await withFixture("topKeys", async (fixture, scope) => {
    const { shape, f32 } = fixture.array("k");
    const [length = 0, kvHeads = 0, dim = 0] = shape;
    const kv = await scope.kv({ k: f32, v: f32, length, kvHeads, dim });
    const [start, end, count] = ["start", "end", "count"].map((key) => fixture.number(key));
    const q = input(scope, fixture, "q");
    const found = await scope.backend.topKeys(q, 0, [0, 1, 2], kv, start!, end!, count!);
    const indices = found.flatMap((keys) => [...keys.indices]);
    assertEquals(indices, [...fixture.array("indices").i32]);
    equalsFixture(Float32Array.from(found.flatMap((keys) => [...keys.scores])), fixture, "scores");
  });
});

Deno.test("f32ToBf16() and f16ToF32() equal torch's conversions", () => {
  const fixture = new Fixture("halves");
  const floats = new Float32Array(Uint32Array.from(fixture.array("f32Bits").data).buffer);
  assertEquals([...floats].map(f32ToBf16), [...fixture.array("bf16").i32]);
  const f16 = [...fixture.array("f16Bits").i32];
  assertEquals(f16.map(f16ToF32), [...fixture.array("f16Values").f32]);
  assertEquals([f16ToF32(0xbc00), f16ToF32(0x7c00), f16ToF32(0xfc00)], [-1, Infinity, -Infinity]);
  assert(Number.isNaN(f16ToF32(0x7e00)));
  assert(Number.isNaN(bf16ToF32(f32ToBf16(NaN))));
});

Deno.test("openReferenceBackend() describes itself", () => {
  const { backend, isa, threads, tiers } = openReferenceBackend().info();
  const expected = { backend: "reference", isa: "typescript", threads: 1 };
  assertEquals({ backend, isa, threads }, expected);
  assertEquals(tiers, ["fast"]);
});

Deno.test("openWeights() fails where a file shrinks after it was opened", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, new Uint8Array(64));
    const file = await openReferenceBackend().openWeights(path);
    await Deno.truncate(path, 16);
    await assertRejects(() => file.tensor(0, "f32", [16], "f32"), BackendError, "ends after 16");
    file.close();
  } finally {
    await Deno.remove(path);
  }
});

interface AttentionCase {
  readonly fixture: Fixture;
  readonly scope: Scope;
  readonly q: Tensor;
  readonly kv: KvView;
  readonly out: PartialAttention;
  readonly scale: number;
  readonly qStart: number;
  /** Whether the fixture's mask lets a head's row see a key. */
  readonly allows: (head: number, row: number, key: number) => boolean;
  /** Decode plans of all rows and heads: ranges for the first half of the keys, single keys for the second. */
  readonly plansOf: (keep: (key: number) => boolean) => KeyPlan[];
}

async function withAttention(
  name: "causal" | "masked",
  test: (values: AttentionCase) => Promise<void>,
): Promise<void> {
  await withFixture(name, async (fixture, scope) => {
    const [k, v] = [fixture.array("k"), fixture.array("v")];
    const [length = 0, kvHeads = 0, dim = 0] = k.shape;
    const kv = await scope.kv({ k: k.f32, v: v.f32, length, kvHeads, dim });
    const q = input(scope, fixture, "q");
    const [tokens = 0, heads = 0] = q.shape;
    const mask = fixture.array("allowed").data;
    const allows = (head: number, row: number, key: number) =>
      mask[(head * tokens + row) * length + key] === 1;
    const plansOf = (keep: (key: number) => boolean) =>
      Array.from({ length: tokens * heads }, (_, x) => {
        const row = Math.floor(x / heads);
        return keyPlan(length, (key) => keep(key) && allows(x % heads, row, key));
      });
    const out = { out: zeros(scope, fixture, "out"), lse: zeros(scope, fixture, "lse") };
    const [scale, qStart] = [fixture.number("scale"), fixture.number("qStart")];
    await test({ fixture, scope, q, kv, out, scale, qStart, allows, plansOf });
  });
}

function keyPlan(length: number, holds: (key: number) => boolean): KeyPlan {
  const keys = Array.from({ length }, (_, key) => key).filter(holds);
  const low = keys.filter((key) => key < length / 2);
  const high = keys.filter((key) => key >= length / 2);
  const ranges = Int32Array.from(low.flatMap((key) => [key, key + 1]));
  return { ranges, indices: Int32Array.from(high) };
}

async function compareOutput(
  fixture: Fixture,
  scope: Scope,
  activation: Activation,
): Promise<void> {
  const tensor = (key: string) => input(scope, fixture, key);
  const weights = {
    wo: tensor("wo"),
    attentionPostNorm: null,
    norm: tensor("norm"),
    eps: fixture.number("eps"),
    wGate: tensor("wGate"),
    wUp: tensor("wUp"),
    wDown: tensor("wDown"),
    ffnPostNorm: null,
    activation,
  };
  const x = tensor("x");
  await scope.backend.output(x, tensor("attention"), weights);
  equalsFixture(x.read(), fixture, "out");
}

async function withFixture(
  name: ConstructorParameters<typeof Fixture>[0],
  test: (fixture: Fixture, scope: Scope) => Promise<void>,
): Promise<void> {
  const backend: Backend = openReferenceBackend();
  using scope = new Scope(backend);
  await test(new Fixture(name), scope);
}

function input(scope: Scope, fixture: Fixture, key: string): Tensor {
  const { shape, f32 } = fixture.array(key);
  return scope.tensor(shape, f32);
}

function zeros(scope: Scope, fixture: Fixture, key: string): Tensor {
  return scope.tensor(fixture.array(key).shape);
}

function equalsFixture(values: Float32Array, fixture: Fixture, key: string): void {
  const { f32, shape } = fixture.array(key);
  const width = shape.at(-1)!;
  assertClose({ name: key, values, width }, { name: key, values: f32, width }, TOLERANCE);
}

function equalsAttention(out: PartialAttention, fixture: Fixture): void {
  equalsFixture(out.out.read(), fixture, "out");
  equalsFixture(out.lse.read(), fixture, "lse");
}

function rowOf(values: ArrayLike<number>): { name: string; values: Float32Array; width: number } {
  return { name: "row", values: Float32Array.from(values), width: values.length };
}

function weigh(probs: Float32Array, v: Float32Array, dim: number, d: number): number {
  return probs.reduce((sum, prob, j) => sum + prob * v[j * dim + d]!, 0);
}
