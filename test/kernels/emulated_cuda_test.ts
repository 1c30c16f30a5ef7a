/** The kernels of CUDA on machines without a device: their code over emulated CUDA, thread by thread. */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Compute, KvView } from "../../ffi/backend.ts";
import { BackendError, ShapeError } from "../../ffi/errors.ts";
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import type { NativePage } from "../../ffi/native_pages.ts";
import { openBackend } from "../../ffi/open.ts";
import { Random } from "../random.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { LateWork } from "../native/late_work.ts";
import { backendSuite, bf16Suite, indexSuite } from "./backend_suite.ts";
import { Scope } from "./scope.ts";
import { outputs } from "./shapes.ts";

/** Emulated threads are slow. */
const OPTIONS = { share: 1 / 3, pace: null };

const path = await emulatedCudaLibrary();
if (path === null) {
  console.log("Emulated CUDA is skipped as no C++ compiler answers or this is no x86-64");
  Deno.test({ name: "emulated CUDA equals the reference", ignore: true, fn: () => {} });
} else {
  const library = NativeLibrary.load(path);
  const open = (isa: string, compute: Compute) => () => {
    library.start(0, isa);
    return Promise.resolve(new NativeBackend(library, compute, openCpu));
  };
  backendSuite("cuda-emulated simt", open("simt", "f32"), OPTIONS);
  for (const isa of ["sm_80", "sm_90a"]) {
    bf16Suite(`cuda-emulated ${isa}`, open(isa, "bf16"), OPTIONS);
  }
  indexSuite("cuda-emulated", open("simt", "f32"), OPTIONS);
  libraryTests(open("", "bf16"));
  hostTests(library, path);
}

/** The bytes of an int8 page to which random tokens were appended in several calls. */
async function int8Page(backend: NativeBackend, seed: number, dim: number): Promise<Uint8Array> {
  using scope = new Scope(backend);
  const random = new Random(seed);
  const spec = { dim, dtype: "int8" } as const;
  const [page, table] = [scope.keep(backend.page(spec)), backend.pageTable(1, spec)];
  table.set(0, 0, page);
  for (let start = 0; start < 256; start += 64) {
    const rows = () => random.normals(64 * dim).map((x) => x * 10 ** (4 * random.normal()));
    const [k, v] = [scope.tensor([64, 1, dim], rows()), scope.tensor([64, 1, dim], rows())];
    await backend.append(table, start, k, v, random.normals(64));
  }
  const bytes = new Uint8Array(page.sizeBytes);
  const { address } = page as NativePage;
  backend.library.symbols.ll_copy_out(bytes, address, BigInt(bytes.length));
  return bytes;
}

const openCpu = () => openBackend({ backend: "cpu" });

/** Scores of keys `keys` of KV head 0 by ones. */
function scoresOf(backend: NativeBackend, kv: KvView, keys: readonly number[]) {
  const q = new Float32Array(kv.table.spec.dim).fill(1);
  const listed = { ptr: Int32Array.of(0, keys.length), keys: Int32Array.from(keys) };
  return backend.indexes.scoreKeys({ q, kvHeadOf: Int32Array.of(0) }, kv, listed);
}

function hostTests(library: NativeLibrary, path: string): void {
  for (const tier of ["fast", "slow"] as const) {
    Deno.test(`cuda-emulated: indexes read keys of the ${tier} tier as they are written last`, async () => {
      const backend = new NativeBackend(library, "f32", openCpu);
      using _late = new LateWork(path);
      using scope = new Scope(backend);
      const kv = { table: scope.table(1, 8, "f32", 512, () => tier), length: 512 };
      const write = async (start: number, tokens: number, value: number) => {
        const rows = scope.tensor([tokens, 1, 8], new Float32Array(tokens * 8).fill(value));
        await backend.append(kv.table, start, rows, rows, new Float32Array(tokens));
      };
      await write(0, 512, 1);
      assertEquals([...await scoresOf(backend, kv, [0, 300])], [8, 8]);
      await write(300, 1, 2);
      assertEquals([...await scoresOf(backend, kv, [0, 300, 301])], [8, 16, 8]);
    });
  }
  Deno.test("cuda-emulated: a page has a copy from when an index reads it to its end", async () => {
    const backend = new NativeBackend(library, "f32", openCpu);
    const host = await openCpu();
    using scope = new Scope(backend);
    const before = host.allocatedBytes();
    const kv = { table: scope.table(1, 8, "f32", 512), length: 512 };
    const page = backend.page(kv.table.spec);
    kv.table.set(0, 1, page);
    await scoresOf(backend, kv, [3]);
    assertEquals([page.hostBytes, host.allocatedBytes() - before], [0, page.sizeBytes]);
    await scoresOf(backend, kv, [300, 301, 302]);
    assertEquals(page.hostBytes, page.sizeBytes);
    page.close();
    assertEquals([page.hostBytes, host.allocatedBytes() - before], [0, page.sizeBytes]);
  });
  Deno.test("cuda-emulated: indexes say that they need the library of the CPU", async () => {
    const backend = new NativeBackend(library, "f32", () => Promise.reject(new Error("no g++")));
    using scope = new Scope(backend);
    const kv = { table: scope.table(1, 8, "f32", 256), length: 256 };
    await assertRejects(
      async () => await scoresOf(backend, kv, [3]),
      BackendError,
      "on backend cuda without the native library of the CPU: no g++",
    );
  });
}

function libraryTests(open: () => Promise<NativeBackend>): void {
  Deno.test("cuda-emulated: info() tells the device and the kernels for it", async () => {
    const { device, ...info } = (await open()).info();
    assertEquals(info, {
      ...{ backend: "cuda", isa: "sm_90a", available: ["sm_90a", "sm_80", "simt"] },
      ...{ compute: "bf16", threads: 1, tiers: ["fast", "slow"] },
    });
    assertEquals([device?.name, device?.driver, device?.capability], ["emulated", "13.0", "9.0"]);
  });
  Deno.test("cuda-emulated: an isa that the device lacks is a RangeError", async () => {
    const { library } = await open();
    await assertRejects(async () => await library.start(0, "sm_120"), RangeError, "sm_120");
  });
  Deno.test("cuda-emulated: append() to int8 pages writes the same bytes as that of the CPU", async () => {
    const [cuda, cpu] = [await open(), await openBackend({ backend: "cpu" }) as NativeBackend];
    const property = fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 1, max: 70 }),
      async (seed, dim) => {
        assertEquals(await int8Page(cuda, seed, dim), await int8Page(cpu, seed, dim));
      },
    );
    await fc.assert(property, { seed: 11, numRuns: 10 });
  });
  Deno.test("cuda-emulated: the library of the CPU beside it keeps its own functions", async () => {
    const cuda = await open();
    const cpu = await openBackend({ backend: "cpu" });
    assertEquals([cuda.info().backend, cpu.info().backend], ["cuda", "cpu"]);
    using scope = new Scope(cpu);
    const { out, lse } = outputs(scope, 1, 1, 8);
    await assertRejects(
      async () => await cuda.merge({ out, lse }, { out, lse }, { out, lse }),
      ShapeError,
      "must be a tensor of backend cuda",
    );
    const page = scope.keep(cpu.page({ dim: 8, dtype: "f32" }));
    await assertRejects(
      async () => await cuda.copyPage(page, { dim: 8, dtype: "f32" }),
      ShapeError,
      "must be a page of backend cuda",
    );
  });
}
