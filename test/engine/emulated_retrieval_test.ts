/** Retrieval over emulated CUDA, which does its work only when it is waited for. */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { methods } from "../../lib/attention/methods.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { LateWork } from "../native/late_work.ts";
import { deviceRetrievalSuite } from "./device_retrieval.ts";
import { someIds, tiny } from "./tiny_model.ts";

const VARIABLE = "LONGLENS_CUDA_LIBRARY";

const path = await emulatedCudaLibrary();
if (path === null) {
  console.log(
    "Retrieval on emulated CUDA is skipped as no C++ compiler answers or this is no x86-64",
  );
  Deno.test({ name: "retrieval on emulated CUDA", ignore: true, fn: () => {} });
} else {
  deviceRetrievalSuite("cuda-emulated", () => openEmulated(path), () => new LateWork(path));
  Deno.test("cuda-emulated: the device has static keys to attend to while the CPU searches", () => {
    return searchesWhileWorkIsQueued(path);
  });
}

async function searchesWhileWorkIsQueued(path: string): Promise<void> {
  using late = new LateWork(path);
  const model = await tiny("llama", await openEmulated(path));
  const cpu = await openBackend({ backend: "cpu", compute: "f32" });
  const { indexes } = cpu;
  const seen: number[] = [];
  const searchFlat4: typeof indexes.searchFlat4 = (...args) => {
    seen.push(late.queued);
    return indexes.searchFlat4(...args);
  };
  try {
    const attention = methods.retrieval({ sink: 3, window: 40, topK: 6, index: "flat4" });
    const session = model.session({ attention });
    await session.prefill(someIds(300)); // the index covers the first page, which is not written any more
    await session.step();
    Object.assign(cpu, { indexes: { ...indexes, searchFlat4 } });
    await session.step();
    assertEquals(seen.length, model.config.layers);
    assert(seen.every((queued) => queued > 0), `${seen}`);
  } finally {
    Object.assign(cpu, { indexes });
    model.close();
  }
}

/** The library as a user of CUDA opens it. */
async function openEmulated(path: string): Promise<Backend> {
  const before = Deno.env.get(VARIABLE);
  Deno.env.set(VARIABLE, path);
  try {
    return await openBackend({ backend: "cuda", isa: "simt", compute: "f32" });
  } finally {
    if (before === undefined) Deno.env.delete(VARIABLE);
    else Deno.env.set(VARIABLE, before);
  }
}
