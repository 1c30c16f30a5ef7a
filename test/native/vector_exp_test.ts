/** The vector exponentials of each instruction set over their range (`vector_exp/exp_range.cpp`). */
import { compilerOrNull } from "../compiler_or_null.ts";
import { assert, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { compile } from "../../ffi/compiler.ts";
import { openBackend } from "../../ffi/open.ts";
import { COMMON_FLAGS, compileUnits } from "../../ffi/sources.ts";
import { inFolder } from "../in_folder.ts";
import { run } from "./run_driver.ts";

const PROGRAM = fileURLToPath(new URL("vector_exp/exp_range.cpp", import.meta.url));
const UNITS = fileURLToPath(new URL("../../kernels/cpu/", import.meta.url));

const compiler = await compilerOrNull();
if (!compiler) console.log("Skips the vector exponentials as no C++ compiler answers");
const sets = compiler ? (await openBackend({ backend: "cpu" })).info().available : [];

/** Compiles the program together with the unit of `isa`, as the library is, and returns its path. */
async function build(folder: string, isa: string): Promise<string> {
  const unit = compileUnits(Deno.build.arch).find(({ path }) => path === `cpu/${isa}.cpp`);
  const flags = [...COMMON_FLAGS, ...unit!.flags, `-DLL_UNIT="${isa}.cpp"`, `-I${UNITS}`];
  const { signal } = new AbortController();
  const args = [...flags, PROGRAM, "-o", "exp_range"];
  await compile(compiler!, { args, cwd: folder, signal });
  return `${folder}/exp_range`;
}

for (const isa of sets) {
  Deno.test(`Exp and Exp2 of ${isa} are within 1.5 ulp, and exact at the ends of their range`, async () => {
    await inFolder(async (folder) => {
      const { success, report } = await run([await build(folder, isa)], {});
      assert(success, report);
      assertMatch(report, /^Exp2: at most .*\nExp: at most .*\n$/);
    });
  });
}
