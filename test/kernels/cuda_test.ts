/** The cuda backend against the reference, with all kernels that the device can run. Skipped where no device answers. */
import { openBackend } from "../../ffi/open.ts";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { backendSuite, bf16Suite, indexSuite } from "./backend_suite.ts";

/** Tokens that keep a device busy as long as one token keeps a CPU. */
const PACE = 8;

/** Share of the random cases, where a tool makes kernels slow: then times mean nothing. */
const given = Deno.env.get("LONGLENS_TEST_SHARE");
const options = given === undefined ? { pace: PACE } : { share: Number(given), pace: null };

const { device, problem } = findCudaDevice();
if (!device) {
  console.log(`The tests of the cuda backend are skipped as ${problem}`);
  Deno.test({ name: "openBackend() gives the cuda backend", ignore: true, fn: () => {} });
} else {
  const open = (isa: string, compute: "f32" | "bf16") => () =>
    openBackend({ backend: "cuda", isa, compute });
  for (const isa of (await openBackend({ backend: "cuda" })).info().available) {
    backendSuite(`cuda ${isa}`, open(isa, "f32"), options);
    if (isa !== "simt") bf16Suite(`cuda ${isa} bf16`, open(isa, "bf16"), options);
  }
  indexSuite("cuda", () => openBackend({ backend: "cuda", compute: "f32" }), options);
}
