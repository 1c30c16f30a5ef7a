/** The lowering of tile plans (`tile_attention/check_lowering.cpp`), and long rows of emulated CUDA (`check_tiles.cpp`). */
import { assert, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { compile } from "../../ffi/compiler.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { inFolder } from "../in_folder.ts";
import { emulatedCudaLibrary } from "./build_emulated_cuda.ts";
import { run } from "./run_driver.ts";

const PROGRAMS = fileURLToPath(new URL("tile_attention/", import.meta.url));
const KERNELS = fileURLToPath(new URL("../../kernels/cuda/", import.meta.url));
const FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra"];

const compiler = await compilerOrNull();
if (!compiler) console.log("Skips the lowering of tile plans as no C++ compiler answers");
const library = await emulatedCudaLibrary();

/** Compiles a program with other files in a folder of its own, runs it and returns its report. */
async function report(
  program: string,
  files: readonly string[],
  args: readonly string[],
): Promise<string> {
  let text = "";
  await inFolder(async (cwd) => {
    const { signal } = new AbortController();
    const all = [...FLAGS, `${PROGRAMS}${program}`, ...files, "-o", "program"];
    await compile(compiler!, { args: all, cwd, signal });
    const { success, report } = await run([`${cwd}/program`, ...args], {});
    assert(success, report);
    text = report;
  });
  return text;
}

Deno.test({
  name: "lowered tile plans hold every key of every row once",
  ignore: !compiler,
  fn: async () => {
    const files = ["tile_lowering.cpp", "tile_lists.cpp"].map((name) => `${KERNELS}${name}`);
    assertMatch(await report("check_lowering.cpp", files, []), /^100 plans\n$/);
  },
});

for (const isa of ["simt", "sm_80", "sm_90a"]) {
  Deno.test({
    name: `cuda-emulated ${isa}: ll_attend_tiles equals float64 on rows of a thousand keys`,
    ignore: library === null,
    fn: async () => {
      const text = await report("check_tiles.cpp", [library!], [isa]);
      assertMatch(text, /^(dim .*\n){7,8}$/);
    },
  });
}
