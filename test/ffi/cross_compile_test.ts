import { dirname } from "node:path";
import { assert } from "@std/assert";
import { COMMON_FLAGS, compileUnits, SOURCES } from "../../ffi/sources.ts";
import { inFolder } from "../in_folder.ts";

/** What the other units do not hold: they are plain C++. */
const DEPENDS = /__x86_64__|__aarch64__|simd_kernels\.inl/;
const COMPILER = "aarch64-linux-gnu-g++";

async function answers(): Promise<boolean> {
  try {
    return (await new Deno.Command(COMPILER, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

const ignore = !await answers();
if (ignore) console.log(`Skips the build for AArch64 as ${COMPILER} is not there`);

Deno.test({
  name: "the units that depend on the architecture compile for AArch64",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      for (const [path, text] of Object.entries(SOURCES)) {
        const file = `${folder}/${path}`;
        await Deno.mkdir(dirname(file), { recursive: true });
        await Deno.writeTextFile(file, text);
      }
      const units = compileUnits("aarch64").filter(({ path }) => DEPENDS.test(SOURCES[path]!));
      assert(units.some(({ path }) => path === "cpu/portable.cpp"));
      for (const { path, flags } of units) {
        const args = [...COMMON_FLAGS, ...flags, "-c", path, "-o", "unit.o"];
        const process = new Deno.Command(COMPILER, { args, cwd: folder });
        const { success, stderr } = await process.output();
        assert(success, `${path}: ${new TextDecoder().decode(stderr)}`);
      }
    }),
});
