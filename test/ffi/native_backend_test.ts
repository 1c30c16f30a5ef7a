/** What only the native backend has: memory that must outlive calls. Results are compared in test/kernels. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Backend, RunControl } from "../../ffi/backend.ts";
import {
  BackendError,
  BudgetError,
  CancelledError,
  LibraryError,
  ShapeError,
} from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { densePlan } from "../kernels/make_plans.ts";
import { Scope } from "../kernels/scope.ts";
import { outputs } from "../kernels/shapes.ts";
import { inFolder } from "../in_folder.ts";
import { ROOT, runScript } from "./child.ts";

const backend = await openNative();

async function openNative(): Promise<Backend | null> {
  try {
    return await openBackend({ backend: "cpu", compute: "f32" });
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    console.log(`Skips tests of the native backend: ${error.message}`);
    return null;
  }
}

function test(name: string, body: (backend: Backend) => Promise<void>): void {
  Deno.test({ name, ignore: !backend, fn: async () => await body(backend!) });
}

/** Starts dense attention of some 100 ms, with 1024 tokens, over a zeroed cache; every result is 0. */
function startLongCall(
  scope: Scope,
  tokens = 1024,
  control?: RunControl,
): { done: Promise<void>; out: ReturnType<typeof outputs> } {
  const [heads, dim] = [8, 64];
  const kv = { table: scope.table(1, dim, "f32", 4 * tokens), length: 4 * tokens };
  const plan = densePlan({ tokens, qStart: 3 * tokens, kvLength: kv.length });
  const plans = Array.from({ length: heads }, () => plan);
  const out = outputs(scope, tokens, heads, dim);
  const q = scope.tensor([tokens, heads, dim]);
  const done = scope.backend.attendTiles(q, 3 * tokens, 1, kv, plans, out, control);
  assert(done instanceof Promise, "a long call must leave the event loop");
  return { done, out };
}

test("a small call blocks and a long call leaves the event loop free", async (backend) => {
  using scope = new Scope(backend);
  const [table, out] = [scope.tensor([4, 2]), scope.tensor([1, 2])];
  assertEquals(backend.embed(Int32Array.of(3), table, 1, out), undefined);
  const control = backend.control();
  const { done } = startLongCall(scope, 16_384, control);
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks === 2) control.cancel();
  }, 1);
  await assertRejects(() => done, CancelledError); // had the timer not run, the call would end by itself
  clearInterval(timer);
});

test("a small call waits for a long one off the event loop", async (backend) => {
  using scope = new Scope(backend);
  const { done } = startLongCall(scope);
  const [table, out] = [scope.tensor([4, 2]), scope.tensor([1, 2])];
  const small = backend.embed(Int32Array.of(3), table, 1, out);
  assert(small instanceof Promise);
  await Promise.all([done, small]);
});

test("close() during a call keeps the memory until it ends", async (backend) => {
  const before = backend.allocatedBytes();
  const scope = new Scope(backend);
  const { done, out } = startLongCall(scope);
  scope[Symbol.dispose]();
  assertEquals(backend.allocatedBytes(), before);
  await done;
  assertThrows(() => out.out.read(), BackendError);
});

test("the arguments of a running call survive a garbage collection", async () => {
  const script = `
    import { openBackend } from "${new URL("ffi/open.ts", ROOT)}";
    import { densePlan } from "${new URL("test/kernels/make_plans.ts", ROOT)}";
    const backend = await openBackend({ backend: "cpu" });
    const spec = { dim: 64, dtype: "f32" };
    function start() {
      const table = backend.pageTable(1, spec);
      for (let p = 0; p < 8; p++) table.set(0, p, backend.page(spec));
      const q = backend.tensor([2048, 4, 64], "f32", new Float32Array(2048 * 4 * 64).fill(1));
      const out = { out: backend.tensor([2048, 4, 64]), lse: backend.tensor([2048, 4]) };
      const plans = [0, 1, 2, 3].map(() => densePlan({ tokens: 2048, qStart: 0, kvLength: 2048 }));
      return backend.attendTiles(q, 0, 1, { table, length: 2048 }, plans, out);
    }
    const running = start();
    for (let i = 0; i < 20; i++) { gc(); new Float32Array(1 << 20).fill(i); await new Promise((r) => setTimeout(r)); }
    await running;
    for (let i = 0; i < 20 && backend.allocatedBytes() > 0; i++) { gc(); await new Promise((r) => setTimeout(r, 5)); }
    console.log(backend.allocatedBytes());
  `;
  const { stdout, stderr } = await runScript(script, { flags: ["-A", "--v8-flags=--expose-gc"] });
  assertEquals(stdout, "0", stderr);
});

test("a tensor of a weight file is a view, and cannot be written", (backend) =>
  inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/w`, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    const before = backend.allocatedBytes();
    using scope = new Scope(backend);
    const file = scope.keep(await backend.openWeights(`${folder}/w`));
    const view = await file.tensor(4, "f32", [1, 3], "f32");
    assertEquals([...view.read()], [2, 3, 4]);
    assertEquals(backend.allocatedBytes(), before);
    assertThrows(() => view.write(new Float32Array(3)), BackendError, "weight file");
    assertThrows(() => view.rows(0, 1).write(new Float32Array(3)), BackendError, "weight file");
    const table = scope.tensor([1, 3]);
    await assertRejects(
      async () => await backend.embed(Int32Array.of(0), table, 1, view),
      BackendError,
      "weight file",
    );
  }));

test("openWeights() refuses folders and empty files", (backend) =>
  inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/empty`, new Uint8Array());
    await assertRejects(() => backend.openWeights(folder), BackendError, folder);
    await assertRejects(async () => {
      const file = await backend.openWeights(`${folder}/empty`);
      await file.tensor(0, "f32", [1], "f32");
    }, Error);
  }));

test("a page table keeps its pages when it grows", async (backend) => {
  using scope = new Scope(backend);
  const spec = { dim: 1, dtype: "f32" } as const;
  const table = backend.pageTable(2, spec);
  const [pages, tokens] = [40, 40 * 256];
  for (let page = 0; page < pages; page++) {
    for (const kvHead of [0, 1]) table.set(kvHead, page, scope.keep(backend.page(spec)));
  }
  const values = Float32Array.from({ length: 2 * tokens }, (_, i) => i);
  const k = scope.tensor([tokens, 2, 1], values);
  await backend.append(table, 0, k, k, values.subarray(0, tokens));
  for (const kvHead of [0, 1]) {
    const { v, positions } = backend.readKv(table, kvHead, 0, tokens);
    assertEquals(v, values.filter((_, i) => i % 2 === kvHead));
    assertEquals(positions, values.subarray(0, tokens));
  }
});

test("pages, tensors and controls of another backend are refused", async (backend) => {
  using scope = new Scope(backend);
  const other = openReferenceBackend();
  const spec = { dim: 1, dtype: "f32" } as const;
  const page = other.page(spec);
  assertThrows(() => backend.pageTable(1, spec).set(0, 0, page), ShapeError, "backend cpu");
  assertThrows(() => backend.copyPage(page, spec), ShapeError, "backend cpu");
  const [x, norm] = [scope.tensor([1, 1]), scope.tensor([1])];
  await assertRejects(
    async () => await backend.logits(x, norm, 0, x, scope.tensor([1, 1]), other.control()),
    BackendError,
    "backend cpu",
  );
});

test("operations of indexes refuse a control of another backend", async (backend) => {
  using scope = new Scope(backend);
  const kv = { table: scope.table(1, 2, "f32", 4), length: 4 };
  const control = openReferenceBackend().control();
  await assertRejects(
    async () =>
      await backend.indexes
        .nearestKeys(new Float32Array(2), 0, kv, { start: 0, end: 4 }, 1, control),
    BackendError,
    "backend cpu",
  );
});

test("more memory than there is is a BudgetError", (backend) => {
  assertThrows(() => backend.tensor([2 ** 30, 2 ** 14]), BudgetError);
  return Promise.resolve();
});
