/** Retrieval over emulated CUDA, which does its work only when it is waited for. */
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { LateWork } from "../native/late_work.ts";
import { deviceRetrievalSuite } from "./device_retrieval.ts";

const VARIABLE = "LONGLENS_CUDA_LIBRARY";

const path = await emulatedCudaLibrary();
if (path === null) {
  console.log(
    "Retrieval on emulated CUDA is skipped as no C++ compiler answers or this is no x86-64",
  );
  Deno.test({ name: "retrieval on emulated CUDA", ignore: true, fn: () => {} });
} else {
  deviceRetrievalSuite("cuda-emulated", () => openEmulated(path), () => new LateWork(path));
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
