/** Memory of emulated CUDA that runs out: a `BudgetError` with numbers, after which everything goes on. */
import {
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { MemoryTier } from "../../ffi/backend.ts";
import { BudgetError } from "../../ffi/errors.ts";
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { EmulatedMemory } from "../native/emulated_memory.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { Scope } from "./scope.ts";

const MEGABYTE = 2 ** 20;
const SPEC = { dim: 128, dtype: "bf16" } as const;
const SLAB_BYTES = 64 * MEGABYTE;

const path = await emulatedCudaLibrary();

function test(
  name: string,
  body: (backend: NativeBackend, memory: EmulatedMemory) => Promise<void> | void,
): void {
  const fn = async () => {
    const library = NativeLibrary.load(path!);
    library.start(0, "");
    using memory = new EmulatedMemory(path!);
    await body(new NativeBackend(library, "bf16"), memory);
  };
  Deno.test({ name: `cuda-emulated: ${name}`, ignore: path === null, fn });
}

/** Pages until there is no memory for more, and the error of the next. */
function fill(scope: Scope, tier: MemoryTier): Error {
  for (;;) {
    try {
      scope.keep(scope.backend.page(SPEC, tier));
    } catch (error) {
      return error as Error;
    }
  }
}

for (const tier of ["fast", "slow"] as const) {
  test(
    `page() of the ${tier} tier without memory is a BudgetError, and then works`,
    (backend, memory) => {
      const before = backend.allocatedBytes(tier);
      memory.leave({ fast: 3 * MEGABYTE, slow: SLAB_BYTES });
      using scope = new Scope(backend);
      const error = fill(scope, tier);
      assertEquals(error instanceof BudgetError, true, error.message);
      assertMatch(error.message, /^Cannot allocate \d{6} bytes.* \d+ of \d+ bytes are free/);
      scope.backend.tensor([1]).close();
      scope[Symbol.dispose]();
      assertEquals(backend.allocatedBytes(tier), before);
      backend.page(SPEC, tier).close();
    },
  );
}

test(
  "a call without memory for itself is a BudgetError, leaves nothing, and then works",
  async (backend, memory) => {
    using scope = new Scope(backend);
    const [tokens, heads, dim] = [64, 2, 64];
    const kv = { table: scope.table(1, dim, "bf16", tokens), length: tokens };
    const q = scope.tensor([tokens, heads, dim]);
    const out = { out: scope.tensor([tokens, heads, dim]), lse: scope.tensor([tokens, heads]) };
    const plan = { ranges: Int32Array.of(0, tokens), indices: new Int32Array() };
    const attend = async () =>
      await backend.attendKeys(q, 1, kv, Array(tokens * heads).fill(plan), out);
    const used = memory.used("fast");
    memory.leave({ fast: 1000, slow: SLAB_BYTES });
    await assertRejects(attend, BudgetError, "for a call as the device's memory ran out");
    assertEquals(memory.used("fast"), used);
    memory.leave({ fast: 64 * MEGABYTE, slow: SLAB_BYTES });
    await attend();
    assertEquals(memory.used("fast"), used);
    assertEquals([...out.lse.read()].every((lse) => Math.abs(lse - Math.log(tokens)) < 1e-5), true);
  },
);

test(
  "slabs of the slow tier go back when their pages are closed, but for a few",
  (backend, memory) => {
    const { sizeBytes } = probe(backend);
    const before = memory.used("slow");
    const pages = Array.from(
      { length: Math.ceil(5 * SLAB_BYTES / sizeBytes) },
      () => backend.page(SPEC, "slow"),
    );
    assertLessOrEqual(before + 3 * SLAB_BYTES, memory.used("slow"));
    assertLessOrEqual(memory.used("slow"), before + 6 * SLAB_BYTES);
    for (const page of pages) page.close();
    assertLessOrEqual(memory.used("slow"), before + 2 * SLAB_BYTES);
  },
);

function probe(backend: NativeBackend): { sizeBytes: number } {
  const page = backend.page(SPEC, "slow");
  page.close();
  return page;
}

test("page() of the slow tier is zeroed though its memory was used before", async (backend) => {
  for (let turn = 0; turn < 2; turn++) {
    using scope = new Scope(backend);
    const table = scope.table(1, SPEC.dim, SPEC.dtype, 256, () => "slow");
    assertEquals(backend.readKv(table, 0, 0, 256).k.some((x) => x !== 0), false);
    const ones = scope.tensor([256, 1, SPEC.dim], new Float32Array(256 * SPEC.dim).fill(1));
    await backend.append(table, 0, ones, ones, new Float32Array(256));
  }
});

test("ll_alloc() refuses what is larger than any memory", (backend) => {
  for (const tier of ["fast", "slow"] as const) {
    assertThrows(() => backend.library.allocate(2 ** 52, tier), BudgetError, "4503599627370496");
  }
});
