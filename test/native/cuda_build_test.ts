/**
 * The CUDA library as nvcc builds it, with warnings as errors: for sm_90a, or for every target where
 * `LONGLENS_CUDA_TARGETS=all`. It stays in the build folder until a source changes.
 */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { buildCudaLibrary, registerReport, removeOldCudaLibraries } from "../../ffi/cuda_build.ts";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { CUDA_TARGETS } from "../../ffi/cuda_sources.ts";
import { BackendError } from "../../ffi/errors.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { countInstructions, disassembler } from "./disassemble.ts";

const FOLDER = fileURLToPath(new URL("../../.build", import.meta.url));

const targets = Deno.env.get("LONGLENS_CUDA_TARGETS") === "all"
  ? CUDA_TARGETS
  : ["sm_90a"] as const;
const compiler = await compilerOrNull("CUDA");
const ignore = compiler === null;
if (ignore) console.log("The build of the CUDA library is skipped as no nvcc answers");
const canDisassemble = !ignore && await disassembler() !== undefined;
if (!ignore && !canDisassemble) {
  console.log("The disassembly of the CUDA library is skipped as there is no cuobjdump");
}

async function built(): Promise<string> {
  const path = await buildCudaLibrary(FOLDER, { targets });
  await removeOldCudaLibraries(FOLDER);
  return path;
}

Deno.test({
  name: "buildCudaLibrary() compiles without a warning and keeps the report of registers",
  ignore,
  fn: async () => {
    const report = await Deno.readTextFile(registerReport(await built()));
    for (const target of targets.filter((target) => target !== "ptx")) {
      assert(report.includes(`for '${target}'`), target);
    }
    assert(/Used \d+ registers/.test(report));
    assert(!/warning/i.test(report), "the report has a warning");
  },
});

Deno.test({
  name: "the CUDA library says why there is no device, and does not start without one",
  ignore: ignore || findCudaDevice().device !== null,
  fn: async () => {
    const library = NativeLibrary.load(await built());
    const { backend, available, device, problem } = library.info();
    assertEquals({ backend, available, device }, {
      backend: "cuda",
      available: [],
      device: undefined,
    });
    assert(problem);
    assertThrows(() => library.start(0, ""), BackendError, `Cannot use a CUDA device: ${problem}`);
    assertThrows(() => library.allocate(64), BackendError, problem);
  },
});

Deno.test({
  name: "the CUDA library's code for sm_90a multiplies with wgmma, and with mma for sm_80",
  ignore: !canDisassemble,
  fn: async () => {
    const counts = await countInstructions(await built(), "sm_90a", ["HGMMA", "HMMA"]);
    assertGreater(counts["HGMMA"], 0);
    assertGreater(counts["HMMA"], 0);
  },
});
