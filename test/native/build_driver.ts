/** Builds the driver: on the library as it is shipped, or together with the library's sources under a sanitizer. */
import { fileURLToPath } from "node:url";
import { compile, type Compiler } from "../../ffi/compiler.ts";
import { COMMON_FLAGS, compileUnits } from "../../ffi/sources.ts";

const DRIVER = fileURLToPath(new URL(".", import.meta.url));
const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
/** What the driver itself needs; the last -O of a command counts. */
const DRIVER_FLAGS = ["-O1", "-g"];
const AT_ONCE = 2;

interface Unit {
  readonly path: string;
  readonly flags: readonly string[];
}

/** Builds the driver on the library at `library` into `folder` and returns its path. */
export async function buildDriver(
  folder: string,
  compiler: Compiler,
  library: string,
): Promise<string> {
  return await link(folder, compiler, driverUnits(), DRIVER_FLAGS, [library]);
}

/** Builds driver and library with `flags` into `folder` and returns the driver's path. */
export async function buildWhole(
  folder: string,
  compiler: Compiler,
  flags: readonly string[],
): Promise<string> {
  const library = compileUnits(Deno.build.arch).map((unit) => ({
    path: `${KERNELS}${unit.path}`,
    flags: unit.flags,
  }));
  return await link(folder, compiler, [...driverUnits(), ...library], [...DRIVER_FLAGS, ...flags]);
}

function driverUnits(): Unit[] {
  const names = [...Deno.readDirSync(DRIVER)].map(({ name }) => name);
  return names.filter((name) => name.endsWith(".cpp")).toSorted()
    .map((name) => ({ path: `${DRIVER}${name}`, flags: [] }));
}

async function link(
  folder: string,
  compiler: Compiler,
  units: readonly Unit[],
  flags: readonly string[],
  libraries: readonly string[] = [],
): Promise<string> {
  const { signal } = new AbortController();
  const queue = units.entries();
  const work = async () => {
    for (const [i, unit] of queue) {
      const args = [...COMMON_FLAGS, ...unit.flags, ...flags, "-c", unit.path, "-o", `${i}.o`];
      await compile(compiler, { args, cwd: folder, signal });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const objects = units.map((_, i) => `${i}.o`);
  const args = ["-pthread", ...flags, ...objects, ...libraries, "-ldl", "-o", "driver"];
  await compile(compiler, { args, cwd: folder, signal });
  return `${folder}/driver`;
}
