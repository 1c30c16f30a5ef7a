/** `capture_decode.cu` without a device: it runs over emulated CUDA, and compiles with nvcc. */
import { assert, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { compile } from "../../ffi/compiler.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { inFolder } from "../in_folder.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { run } from "../native/run_driver.ts";
import { FLAGS, PROGRAM } from "./capture.ts";

const EMULATION = fileURLToPath(new URL("../native/emulated_cuda/", import.meta.url));

const library = await emulatedCudaLibrary();
const compiler = await compilerOrNull();
const nvcc = await compilerOrNull("CUDA");
if (!nvcc) console.log("Does not compile capture_decode.cu for a device as no nvcc answers");

Deno.test({
  name: "cuda-emulated: a decode step is captured, and its replay computes the same bits",
  ignore: library === null || compiler === null,
  fn: () =>
    inFolder(async (cwd) => {
      const { signal } = new AbortController();
      const flags = ["-std=c++20", "-Wall", "-Wextra", "-DLONGLENS_EMULATED", `-I${EMULATION}`];
      const files = ["-x", "c++", PROGRAM, "-x", "none", library!, "-o", "capture"];
      await compile(compiler!, { args: [...flags, ...files], cwd, signal });
      const { success, report } = await run([`${cwd}/capture`], {});
      assert(success, report);
      assertMatch(report, /^\{"callsUs": [\d.]+, "replayUs": [\d.]+\}\n$/);
    }),
});

Deno.test({
  name: "capture_decode.cu compiles with nvcc without a warning",
  ignore: nvcc === null,
  fn: () =>
    inFolder(async (cwd) => {
      const { signal } = new AbortController();
      await compile(nvcc!, { args: [...FLAGS, "-c", PROGRAM, "-o", "capture.o"], cwd, signal });
    }),
});
