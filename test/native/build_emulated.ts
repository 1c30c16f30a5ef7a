/** Builds the library with emulated units (`emulated/emulated_bf16.h`) into the build folder of this checkout. */
import { fileURLToPath } from "node:url";
import { isFile, sourceKey } from "../../ffi/build.ts";
import { compile, type Compiler, findCompiler } from "../../ffi/compiler.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { COMMON_FLAGS, compileUnits, linkFlags } from "../../ffi/sources.ts";

const FOLDER = fileURLToPath(new URL("../../.build/", import.meta.url));
const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
const HEADERS = fileURLToPath(new URL("emulated/", import.meta.url));
const PREFIX = "emulated-";
/** Units whose instructions are emulated with those of AVX2. */
const EMULATED = ["cpu/avx512.cpp", "cpu/avx512bf16.cpp", "cpu/amx.cpp"];
const AT_ONCE = 2;

/** A file to compile and its flags. */
interface Unit {
  readonly path: string;
  readonly flags: readonly string[];
}

/** Path of the library, which is built where it is not there; `null` where there is no compiler, or no x86-64 to emulate. */
export async function emulatedLibrary(): Promise<string | null> {
  if (Deno.build.arch !== "x86_64") return null;
  const path = `${FOLDER}${await libraryName()}`;
  if (await isFile(path)) return path;
  try {
    const compiler = await findCompiler();
    await removeOld();
    await build(path, compiler);
    return path;
  } catch (error) {
    if (error instanceof LibraryError && error.message.startsWith("No C++")) return null;
    throw error;
  }
}

/** What to compile with emulated units. */
export function emulatedUnits(): Unit[] {
  const units = compileUnits("x86_64");
  const { flags: avx2 } = units.find(({ path }) => path === "cpu/avx2.cpp")!;
  const own = ["-DLONGLENS_EMULATED", `-I${HEADERS}`];
  return units.map(({ path, flags }) => ({
    path: `${KERNELS}${path}`,
    flags: [...(EMULATED.includes(path) ? avx2 : flags), ...own],
  }));
}

async function libraryName(): Promise<string> {
  const header = await Deno.readTextFile(`${HEADERS}emulated_bf16.h`);
  const bytes = new TextEncoder().encode(header + await sourceKey());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${PREFIX}${digest.toHex().slice(0, 16)}.so`;
}

async function removeOld(): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true });
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (name.startsWith(PREFIX)) await Deno.remove(`${FOLDER}${name}`, { recursive: true });
  }
}

async function build(path: string, compiler: Compiler): Promise<void> {
  const cwd = await Deno.makeTempDir({ prefix: "longlens-emulated-" });
  try {
    const units = emulatedUnits();
    const queue = units.entries();
    const { signal } = new AbortController();
    const work = async () => {
      for (const [i, unit] of queue) {
        const args = [...COMMON_FLAGS, "-O1", ...unit.flags, "-c", unit.path, "-o", `${i}.o`];
        await compile(compiler, { args, cwd, signal });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const objects = units.map((_, i) => `${i}.o`);
    const args = [...objects, ...linkFlags(Deno.build.os), "-o", `${path}.new`];
    await compile(compiler, { args, cwd, signal });
    await Deno.rename(`${path}.new`, path);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}
