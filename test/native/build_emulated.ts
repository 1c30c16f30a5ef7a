/** Builds the library with emulated units (`emulated/emulated_bf16.h`) into the build folder of this checkout. */
import { fileURLToPath } from "node:url";
import { CPU_WORKPLACE, sourceKey } from "../../ffi/build.ts";
import { buildOnce, hashOf, isFile, removeFiles } from "../../ffi/build_folder.ts";
import { compileObjects } from "../../ffi/compile_units.ts";
import { compile, type Compiler } from "../../ffi/compiler.ts";
import { type CompileUnit, compileUnits, linkFlags } from "../../ffi/sources.ts";
import { compilerOrNull } from "../compiler_or_null.ts";

const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
const HEADERS = fileURLToPath(new URL("emulated/", import.meta.url));
/** Where the library is built unless the caller chooses. */
const FOLDER = fileURLToPath(new URL("../../.build", import.meta.url));
const PREFIX = "emulated-";
const FLAGS = ["-O1"];
/** Units whose instructions are emulated with those of AVX2. */
const EMULATED = ["cpu/avx512.cpp", "cpu/avx512bf16.cpp", "cpu/amx.cpp"];

/** Path of the library, which is built where it is not there; `null` where there is no compiler, or no x86-64 to emulate. */
export async function emulatedLibrary(folder: string = FOLDER): Promise<string | null> {
  if (Deno.build.arch !== "x86_64") return null;
  const name = await emulatedName();
  if (await isFile(`${folder}/${name}`)) return `${folder}/${name}`; // needs no compiler
  const compiler = await compilerOrNull();
  if (compiler === null) return null;
  return await buildOnce(folder, { name, ...CPU_WORKPLACE }, async (work) => {
    await removeFiles(folder, (entry) => entry.startsWith(PREFIX));
    return await build(work, compiler);
  });
}

/** What to compile with emulated units. */
export function emulatedUnits(): CompileUnit[] {
  const units = compileUnits("x86_64");
  const { flags: avx2 } = units.find(({ path }) => path === "cpu/avx2.cpp")!;
  const own = ["-DLONGLENS_EMULATED", `-I${HEADERS}`];
  return units.map(({ path, flags }) => ({
    path: `${KERNELS}${path}`,
    flags: [...(EMULATED.includes(path) ? avx2 : flags), ...own],
  }));
}

async function emulatedName(): Promise<string> {
  const header = await Deno.readTextFile(`${HEADERS}emulated_bf16.h`);
  return `${PREFIX}${await hashOf([header, await sourceKey(), FLAGS, emulatedUnits()])}.so`;
}

async function build(cwd: string, compiler: Compiler): Promise<string> {
  const objects = await compileObjects({ compiler, units: emulatedUnits(), cwd, flags: FLAGS });
  const args = [...objects, ...linkFlags(Deno.build.os), "-o", "emulated.so"];
  await compile(compiler, { args, cwd, signal: new AbortController().signal });
  return `${cwd}/emulated.so`;
}
