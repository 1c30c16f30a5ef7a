/** Ownership, files and cancelling: what every backend must do alone. */
import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import type { Backend, RunControl, WeightDType } from "../../ffi/backend.ts";
import { BackendError, CancelledError, ShapeError } from "../../ffi/errors.ts";
import { Random } from "../random.ts";
import { assertEndsSoon } from "./ends_soon.ts";
import { densePlan, fullKeyPlan } from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { outputs, randomKv } from "./shapes.ts";
import { type Subject, test } from "./subject.ts";

/** Registers the tests. */
export function contractCases(subject: Subject): void {
  tensorCases(subject);
  pageCases(subject);
  fileCases(subject);
  cancelCases(subject);
}

function tensorCases(subject: Subject): void {
  test(subject, "tensor() is zeroed, states its size and keeps what is written", (backend) => {
    using scope = new Scope(backend);
    const tensor = scope.tensor([3, 2]);
    assertEquals([...tensor.read()], [0, 0, 0, 0, 0, 0]);
    assertEquals([tensor.backend, tensor.dtype, tensor.sizeBytes], [backend.name, "f32", 24]);
    tensor.write(Float32Array.of(1, 2, 3, 4, 5, 6));
    assertEquals([...tensor.read()], [1, 2, 3, 4, 5, 6]);
    return Promise.resolve();
  });
  test(subject, "tensor() rounds bf16 to nearest, ties to even", (backend) => {
    using scope = new Scope(backend);
    const values = Float32Array.of(
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      1 + 2 ** -8 + 2 ** -20,
      -3.14159,
      0,
    );
    const tensor = scope.tensor([5], values, "bf16");
    assertEquals(tensor.sizeBytes, 10);
    assertEquals([...tensor.read()], [1, 1 + 2 ** -6, 1 + 2 ** -7, -3.140625, 0]);
    return Promise.resolve();
  });
  test(subject, "rows() shares memory and ends with its tensor", (backend) => {
    const tensor = backend.tensor([4, 2], "f32", Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    const view = tensor.rows(1, 2);
    assertEquals([view.shape, [...view.read()]], [[2, 2], [2, 3, 4, 5]]);
    view.write(Float32Array.of(9, 8, 7, 6));
    assertEquals([...tensor.read()], [0, 1, 9, 8, 7, 6, 6, 7]);
    view.close();
    assertEquals([...tensor.rows(3, 1).rows(0, 1).read()], [6, 7]);
    const orphan = tensor.rows(0, 1);
    tensor.close();
    assertThrows(() => orphan.read(), BackendError);
    return Promise.resolve();
  });
  test(subject, "close() makes a tensor unusable and may be called twice", (backend) => {
    const tensor = backend.tensor([2]);
    tensor.close();
    tensor.close();
    assertThrows(() => tensor.read(), BackendError);
    assertThrows(() => tensor.write(new Float32Array(2)), BackendError);
    return Promise.resolve();
  });
  test(subject, "allocatedBytes() counts tensors and pages, not views", (backend) => {
    const before = backend.allocatedBytes();
    const tensor = backend.tensor([10, 3], "bf16");
    const view = tensor.rows(2, 5);
    const page = backend.page({ dim: 64, dtype: "bf16" });
    assertEquals(backend.allocatedBytes() - before, 60 + page.sizeBytes);
    for (const value of [view, tensor, page]) value.close();
    assertEquals(backend.allocatedBytes(), before);
    return Promise.resolve();
  });
}

function pageCases(subject: Subject): void {
  test(subject, "page() holds 256 tokens and their positions", (backend) => {
    using scope = new Scope(backend);
    for (const [dtype, bytes] of [["f32", 4], ["bf16", 2]] as const) {
      const page = scope.keep(backend.page({ dim: 20, dtype }));
      assertEquals(page.sizeBytes, 256 * (2 * 20 * bytes + 4));
    }
    return Promise.resolve();
  });
  test(subject, "copyPage() makes a page that later writes do not reach", async (backend) => {
    using scope = new Scope(backend);
    const spec = { dim: 4, dtype: "f32" } as const;
    const page = scope.keep(backend.page(spec));
    const table = backend.pageTable(1, spec);
    table.set(0, 0, page);
    const append = async (value: number) => {
      const row = scope.tensor([1, 1, 4], new Float32Array(4).fill(value));
      await backend.append(table, 3, row, row, Float32Array.of(value));
    };
    await append(1);
    const copy = backend.pageTable(1, spec);
    copy.set(0, 0, scope.keep(backend.copyPage(page, spec)));
    await append(2);
    const { k, v, positions } = backend.readKv(copy, 0, 3, 1);
    assertEquals([...k, ...v, ...positions], [1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assertEquals(backend.readKv(table, 0, 3, 1).positions[0], 2);
  });
  test(subject, "attendKeys() does not need pages that no plan touches", async (backend) => {
    using scope = new Scope(backend);
    const spec = { dim: 8, dtype: "f32" } as const;
    const table = backend.pageTable(1, spec);
    table.set(0, 2, scope.keep(backend.page(spec)));
    const plan = { ranges: Int32Array.of(512, 520), indices: Int32Array.of(600) };
    const out = outputs(scope, 1, 1, 8);
    await backend.attendKeys(scope.tensor([1, 1, 8]), 1, { table, length: 700 }, [plan], out);
    assert(Math.abs(out.lse.read()[0]! - Math.log(9)) < 1e-6);
  });
}

const PARTS: readonly (readonly [WeightDType, Uint8Array])[] = [
  ["f32", new Uint8Array(Float32Array.of(1.5, -2, 1 + 2 ** -8).buffer)],
  ["bf16", new Uint8Array(Uint16Array.of(0x3fc0, 0xc000, 0x3f81).buffer)],
  ["f16", new Uint8Array(Uint16Array.of(0x3e00, 0xc000, 0x3c04).buffer)],
];

/** The three parts one after the other, after `padding` bytes. */
async function withFile(
  backend: Backend,
  padding: number,
  body: (path: string, offsets: number[]) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  const before = backend.allocatedBytes();
  try {
    const offsets = [padding, padding + 12, padding + 18];
    const bytes = new Uint8Array(padding + 24);
    for (const [i, [, part]] of PARTS.entries()) bytes.set(part, offsets[i]!);
    await Deno.writeFile(path, bytes);
    await body(path, offsets);
    assertEquals(backend.allocatedBytes(), before);
  } finally {
    await Deno.remove(path);
  }
}

function fileCases(subject: Subject): void {
  for (const [padding, where] of [[16, "aligned"], [3, "unaligned"]] as const) {
    test(
      subject,
      `openWeights() reads ${where} f32, bf16 and f16 as f32 and bf16`,
      async (backend) => {
        await withFile(backend, padding, async (path, offsets) => {
          const file = await backend.openWeights(path);
          assertEquals(file.sizeBytes, padding + 24);
          for (const [i, [stored]] of PARTS.entries()) {
            const as32 = await file.tensor(offsets[i]!, stored, [3], "f32");
            const exact = [1 + 2 ** -8, 1 + 2 ** -7, 1 + 2 ** -8][i]!;
            assertEquals([...as32.read()], [1.5, -2, exact]);
            const as16 = await file.tensor(offsets[i]!, stored, [1, 3], "bf16");
            assertEquals([as16.dtype, as16.shape, as16.sizeBytes], ["bf16", [1, 3], 6]);
            assertEquals([...as16.read()], [1.5, -2, i === 1 ? exact : 1]);
          }
          file.close();
        });
      },
    );
  }
  test(subject, "openWeights() gives tensors that compute", async (backend) => {
    await withFile(backend, 16, async (path, offsets) => {
      using scope = new Scope(backend);
      const file = scope.keep(await backend.openWeights(path));
      const table = await file.tensor(offsets[0]!, "f32", [3, 1], "f32");
      const out = scope.tensor([2, 1]);
      await backend.embed(Int32Array.of(1, 0), table, 2, out);
      assertEquals([...out.read()], [-4, 3]);
    });
  });
  test(subject, "openWeights() refuses a tensor that is not inside the file", async (backend) => {
    await withFile(backend, 16, async (path) => {
      using scope = new Scope(backend);
      const file = scope.keep(await backend.openWeights(path));
      const read = async (offset: number, shape: number[]) => {
        await file.tensor(offset, "f32", shape, "f32");
      };
      await assertRejects(() => read(32, [3]), RangeError, "offset");
      await assertRejects(() => read(-1, [3]), RangeError, "offset");
      await assertRejects(() => read(0.5, [3]), RangeError, "offset");
      await assertRejects(() => read(NaN, [3]), RangeError, "offset");
      await assertRejects(() => read(0, [11]), RangeError, "shape [11]");
      await assertRejects(() => read(0, [2 ** 40, 2 ** 40]), ShapeError, "shape");
      await assertRejects(() => read(0, [0]), ShapeError, "shape");
    });
  });
  test(subject, "openWeights() ends its tensors when the file is closed", async (backend) => {
    await withFile(backend, 16, async (path, offsets) => {
      const file = await backend.openWeights(path);
      const tensors = [
        await file.tensor(offsets[0]!, "f32", [3], "f32"),
        await file.tensor(offsets[2]!, "f16", [3], "f32"),
      ];
      file.close();
      for (const tensor of tensors) assertThrows(() => tensor.read(), BackendError);
      await assertRejects(() => file.tensor(0, "f32", [1], "f32"), BackendError);
    });
  });
  test(subject, "openWeights() names a file that cannot be opened", async (backend) => {
    await assertRejects(() => backend.openWeights("/no/such/file"), Error, "/no/such/file");
  });
}

function cancelCases(subject: Subject): void {
  test(subject, "cancel() before a call makes it throw CancelledError", async (backend) => {
    using scope = new Scope(backend);
    const control = backend.control();
    control.cancel();
    assert(control.cancelled);
    for (const call of await cancellable(scope, control)) {
      await assertRejects(async () => await call(), CancelledError);
    }
  });
  test(subject, "progress grows from call to call", async (backend) => {
    using scope = new Scope(backend);
    const control = backend.control();
    let before = control.progress;
    assertEquals(before, 0);
    for (const call of await cancellable(scope, control)) {
      await call();
      assertGreater(control.progress, before);
      before = control.progress;
    }
    assert(!control.cancelled);
  });
  const { pace } = subject;
  if (pace === null) return;
  test(subject, "cancel() ends a long attendTiles() soon", async (backend) => {
    using scope = new Scope(backend);
    const control = backend.control();
    const [tokens, heads, dim, length] = [4096 * pace, 16, 128, 16384 * pace];
    const kv = { table: scope.table(1, dim, "f32", length), length };
    const plan = densePlan({ tokens, qStart: length - tokens, kvLength: length });
    const plans = Array.from({ length: heads }, () => plan);
    const q = scope.tensor([tokens, heads, dim]);
    const out = outputs(scope, tokens, heads, dim);
    const call = backend.attendTiles(q, length - tokens, 1, kv, plans, out, control);
    await assertEndsSoon(backend, control, Promise.resolve(call));
  });
}

/** A small valid call of each operation that takes a control. */
async function cancellable(
  scope: Scope,
  control: RunControl,
): Promise<(() => Promise<unknown>)[]> {
  const { backend } = scope;
  const random = new Random(1);
  const kv = await scope.kv(randomKv(random, { kvLength: 300, kvHeads: 1, dim: 8 }));
  const q = scope.tensor([2, 2, 8], random.normals(32));
  const out = outputs(scope, 2, 2, 8);
  const x = scope.tensor([2, 4], random.normals(8));
  const [norm, w4, w8, w16] = [[4], [4, 4], [8, 4], [16, 4]].map((shape) => scope.tensor(shape));
  const wide = scope.tensor([4, 16]);
  const none = { bq: null, bk: null, bv: null, qNorm: null, kNorm: null };
  const qkv = { norm: norm!, eps: 1e-6, wq: w16!, wk: w8!, wv: w8!, ...none };
  const rope = { cos: scope.tensor([1, 2, 4]), sin: scope.tensor([1, 2, 4]) };
  const projected = { q, k: scope.tensor([2, 1, 8]), v: scope.tensor([2, 1, 8]) };
  const plain = { attentionPostNorm: null, ffnPostNorm: null };
  const ffn = { norm: norm!, eps: 1e-6, wGate: w4!, wUp: w4!, wDown: w4!, ...plain };
  const tiles = densePlan({ tokens: 2, qStart: 298, kvLength: 300 });
  const keys = Array.from({ length: 4 }, () => fullKeyPlan(300));
  const map = () => new Float32Array(9);
  return [
    async () => await backend.qkv(x, qkv, rope, projected, control),
    async () => await backend.output(x, q, { wo: wide, ...ffn, activation: "silu" }, control),
    async () => await backend.logits(x, norm!, 1e-6, w8!, scope.tensor([2, 8]), control),
    async () => await backend.attendTiles(q, 298, 1, kv, [tiles, tiles], out, control),
    async () => await backend.attendKeys(q, 1, kv, keys, out, control),
    async () => await backend.poolMap(q, 298, 1, 1, kv, 3, map(), map(), control),
    async () => await backend.topKeys(q, 0, [0, 1], kv, 0, 300, 5, control),
  ];
}
