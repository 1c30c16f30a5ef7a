/** Builds the driver: on the library as it is shipped, or together with the library's sources under a sanitizer. */
import { fileURLToPath } from "node:url";
import { compileObjects, unknownIsas } from "../../ffi/compile_units.ts";
import { compile, type Compiler } from "../../ffi/compiler.ts";
import { type CompileUnit, compileUnits } from "../../ffi/sources.ts";

const DRIVER = fileURLToPath(new URL(".", import.meta.url));
const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
/** What the driver itself needs; the last -O of a command counts. */
const DRIVER_FLAGS = ["-O1", "-g"];

/** What a driver is made of. */
interface Parts {
  readonly units: readonly CompileUnit[];
  readonly flags: readonly string[];
  readonly libraries: readonly string[];
}

/** Builds the driver on the library at `library` into `folder` and returns its path. */
export async function buildDriver(
  folder: string,
  compiler: Compiler,
  library: string,
): Promise<string> {
  const parts = { units: driverUnits(), flags: DRIVER_FLAGS, libraries: [library] };
  return await link(folder, compiler, parts);
}

/** Builds the driver and units of the library with `flags` into `folder` and returns the driver's path. */
export async function buildWhole(
  folder: string,
  compiler: Compiler,
  { units, flags }: Pick<Parts, "units" | "flags">,
): Promise<string> {
  const all = [...driverUnits(), ...units];
  return await link(folder, compiler, {
    units: all,
    flags: [...DRIVER_FLAGS, ...flags],
    libraries: [],
  });
}

/** The units of the library as `compiler` knows them. `folder` is one to try that in. */
export async function libraryUnits(folder: string, compiler: Compiler): Promise<CompileUnit[]> {
  const without = (await unknownIsas(compiler, folder)).map(({ isa }) => isa);
  return compileUnits(Deno.build.arch, without)
    .map(({ path, flags }) => ({ path: `${KERNELS}${path}`, flags }));
}

function driverUnits(): CompileUnit[] {
  const names = [...Deno.readDirSync(DRIVER)].map(({ name }) => name);
  return names.filter((name) => name.endsWith(".cpp")).toSorted()
    .map((name) => ({ path: `${DRIVER}${name}`, flags: [] }));
}

async function link(
  cwd: string,
  compiler: Compiler,
  { units, flags, libraries }: Parts,
): Promise<string> {
  const objects = await compileObjects({ compiler, units, cwd, flags });
  const args = ["-pthread", ...flags, ...objects, ...libraries, "-ldl", "-o", "driver"];
  await compile(compiler, { args, cwd, signal: new AbortController().signal });
  return `${cwd}/driver`;
}
