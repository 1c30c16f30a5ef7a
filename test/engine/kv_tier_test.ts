/** Sessions whose keys and values lie in the slow tier, and sessions whose memory runs out. */
import { assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import type { Backend } from "../../ffi/backend.ts";
import { BudgetError } from "../../ffi/errors.ts";
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import type { Session } from "../../lib/engine/session.ts";
import { sessionOptions } from "../../lib/engine/session_options.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { EmulatedMemory } from "../native/emulated_memory.ts";
import { inFolder } from "../in_folder.ts";
import { restored } from "./saved.ts";
import { onBackends, tiny, type TinyModel } from "./tiny_model.ts";

const IDS = Int32Array.from({ length: 40 }, (_, i) => (7 * i + 3) % 88);
const path = await emulatedCudaLibrary();

async function nextLogits(session: Session): Promise<Float32Array> {
  return (await session.step({ temperature: 0 })).logits.slice();
}

async function prefilled(model: TinyModel, kvTier: "fast" | "slow"): Promise<Session> {
  const session = model.session({ kvTier });
  await session.prefill(IDS);
  return session;
}

function onCuda(name: string, body: (model: TinyModel) => Promise<void>): void {
  const fn = async () => {
    const library = NativeLibrary.load(path!);
    library.start(0, "simt");
    const model = await tiny("llama", new NativeBackend(library, "f32"));
    try {
      await body(model);
    } finally {
      model.close();
    }
  };
  Deno.test({ name: `${name} (cuda-emulated)`, ignore: path === null, fn });
}

/** The reference backend with memory for `pages.left` more pages. */
function withPages(pages: { left: number }): Backend {
  const backend = openReferenceBackend();
  const page = backend.page.bind(backend);
  return Object.assign(backend, {
    page: (...args: Parameters<Backend["page"]>) => {
      if (pages.left-- <= 0) throw new BudgetError("Cannot make a page as memory ran out");
      return page(...args);
    },
  });
}

onBackends("kvTier slow computes the same where there is one memory", "llama", async (model) => {
  const [fast, slow] = [await prefilled(model, "fast"), await prefilled(model, "slow")];
  assertEquals(await nextLogits(slow), await nextLogits(fast));
  assertEquals(slow.memory(), fast.memory());
  assertEquals(slow.memory().slowBytes, 0);
});

onCuda("kvTier slow computes the same from the host's memory, and says so", async (model) => {
  const [fast, slow] = [await prefilled(model, "fast"), await prefilled(model, "slow")];
  assertEquals(await nextLogits(slow), await nextLogits(fast));
  const { kvBytes, slowBytes } = slow.memory();
  assertEquals([slowBytes, model.backend.allocatedBytes("slow")], [kvBytes, kvBytes]);
  assertEquals(fast.memory().slowBytes, 0);
  const fork = slow.fork();
  await fork.prefill(IDS);
  assertEquals(fork.memory().slowBytes, fork.memory().kvBytes);
});

onCuda("a session of one tier is restored in the other", async (model) => {
  await inFolder(async (folder) => {
    for (const [from, to] of [["fast", "slow"], ["slow", "fast"]] as const) {
      const session = await prefilled(model, from);
      const file = `${folder}/${from}.session`;
      await session.save(file);
      const copy = await restored(model, file, { kvTier: to });
      assertEquals(await nextLogits(copy), await nextLogits(session));
      const { kvBytes, slowBytes } = copy.memory();
      assertGreater(kvBytes, 0);
      assertEquals(slowBytes, to === "slow" ? kvBytes : 0);
    }
  });
});

onCuda("a prefill without memory is a BudgetError, and the session goes on", async (model) => {
  for (const kvTier of ["fast", "slow"] as const) {
    const session = await prefilled(model, kvTier);
    const before = session.memory();
    using memory = new EmulatedMemory(path!);
    memory.leave({ fast: 0, slow: 0 });
    const long = Int32Array.from({ length: 600 }, (_, i) => i % 88);
    await assertRejects(async () => await session.prefill(long), BudgetError, "bytes are free");
    assertEquals([session.length, session.memory()], [IDS.length, before]);
    memory.leave({ fast: 2 ** 30, slow: 2 ** 30 });
    assertEquals(await nextLogits(session), await nextLogits(await prefilled(model, "fast")));
  }
});

Deno.test("a prefill that runs out of pages gives back those it had got", async () => {
  const pages = { left: 100 };
  const model = await tiny("llama", withPages(pages));
  const session = await prefilled(model, "fast");
  const before = [session.memory(), model.backend.allocatedBytes()];
  pages.left = 3;
  const long = Int32Array.from({ length: 600 }, (_, i) => i % 88);
  await assertRejects(async () => await session.prefill(long), BudgetError, "memory ran out");
  assertEquals([session.memory(), session.length], [before[0], IDS.length]);
  pages.left = 100;
  await session.prefill(long);
  assertEquals(session.length, 640);
  model.close();
});

Deno.test("sessionOptions() takes fast, slow and file as kvTier, fast where it is not given", () => {
  assertEquals(sessionOptions({}).kvTier, "fast");
  for (const kvTier of ["slow", "file"] as const) {
    assertEquals(sessionOptions({ kvTier }).kvTier, kvTier);
  }
  assertThrows(
    () => sessionOptions({ kvTier: "medium" as "fast" }),
    RangeError,
    "kvTier must be fast, slow or file: current value is medium",
  );
});
