/** Retrieval on a CUDA device. Skipped where none answers. */
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { openBackend } from "../../ffi/open.ts";
import { deviceRetrievalSuite } from "./device_retrieval.ts";

const { device, problem } = findCudaDevice();
if (!device) {
  console.log(`Retrieval on CUDA is not tested as ${problem}`);
  Deno.test({ name: "retrieval on CUDA", ignore: true, fn: () => {} });
} else {
  deviceRetrievalSuite("cuda", () => openBackend({ backend: "cuda", compute: "f32" }));
}
