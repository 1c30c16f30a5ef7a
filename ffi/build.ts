/**
 * Builds the native library from its sources with the machine's C++ compiler.
 *
 * A library's name holds a hash of the sources, flags and platform, and the instruction sets that its compiler did not
 * know. So a library is found without running a compiler, and compilers that know the same make the same one.
 */
import {
  hashOf,
  inWorkFolder,
  isFile,
  removeFiles,
  type Workplace,
  writeTexts,
} from "./build_folder.ts";
import { compileObjects, unknownIsas } from "./compile_units.ts";
import { compile, type Compiler, findCompiler } from "./compiler.ts";
import { ABI_VERSION } from "./symbols.ts";
import { COMMON_FLAGS, compileUnits, isaUnits, linkFlags, SOURCES } from "./sources.ts";

const LIBRARY_PREFIX = "liblonglens-";

/** Where builds for the CPU wait for each other. */
export const CPU_WORKPLACE: Workplace = { lock: "lock", workPrefix: "build-" };

/** How far a build is. */
export interface BuildProgress {
  /** Steps that are done: one per compile unit, and the linking. */
  readonly done: number;
  /** Steps in all. */
  readonly total: number;
  /** The step that was just finished, or what is waited for. */
  readonly step: string;
}

/** Options of {@link buildLibrary}. */
export interface BuildOptions {
  /** Called after each step. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

/** File name of the library that the present sources make on this machine, with every instruction set or without some. */
export async function libraryName(without: readonly string[] = []): Promise<string> {
  return nameOf(await sourceKey(), without);
}

/** Names of all libraries that the present sources make on this machine, from the one that lacks nothing on. */
export async function libraryNames(): Promise<string[]> {
  const key = await sourceKey();
  const isas = isaUnits(Deno.build.arch).map(({ isa }) => isa);
  return Array.from(
    { length: isas.length + 1 },
    (_, i) => nameOf(key, isas.slice(isas.length - i)),
  );
}

/** Instruction sets that the library at `path` was built without, as its name tells. */
export function leftOutOf(path: string): string[] {
  return path.match(/-without-([a-z0-9-]+)\.so$/)?.[1]?.split("-") ?? [];
}

/** Hash of the sources, flags and platform. */
export async function sourceKey(): Promise<string> {
  const { os, arch } = Deno.build;
  return await hashOf([os, arch, COMMON_FLAGS, compileUnits(arch), linkFlags(os), SOURCES]);
}

/**
 * Builds the library into `folder` and returns its path; returns at once where one that lacks nothing is there. What the
 * compiler does not know is left out. Processes that build into the same folder wait for each other, and the second finds
 * what the first has built.
 *
 * @throws {LibraryError} without a compiler, or when it fails
 */
export async function buildLibrary(
  folder: string,
  { onProgress }: BuildOptions = {},
): Promise<string> {
  const whole = `${folder}/${await libraryName()}`;
  if (await isFile(whole)) return whole;
  const compiler = await findCompiler();
  return await inWorkFolder(folder, CPU_WORKPLACE, async (work) => {
    if (await isFile(whole)) return whole;
    const without = (await unknownIsas(compiler, work)).map(({ isa }) => isa);
    const path = `${folder}/${await libraryName(without)}`;
    if (await isFile(path)) return path;
    await writeTexts(work, SOURCES);
    await Deno.rename(await compileAll(work, compiler, without, onProgress), path);
    return path;
  });
}

/** Removes all libraries but the one at `path` from its folder. */
export async function removeOtherLibraries(path: string): Promise<void> {
  const [folder, current] = [path.slice(0, path.lastIndexOf("/")), path.split("/").at(-1)];
  await removeFiles(folder, (name) => name.startsWith(LIBRARY_PREFIX) && name !== current);
}

function nameOf(key: string, without: readonly string[]): string {
  const lacking = without.length > 0 ? `-without-${without.join("-")}` : "";
  return `${LIBRARY_PREFIX}${ABI_VERSION}-${key}${lacking}.so`;
}

async function compileAll(
  cwd: string,
  compiler: Compiler,
  without: readonly string[],
  onProgress: BuildOptions["onProgress"],
): Promise<string> {
  const units = compileUnits(Deno.build.arch, without);
  const total = units.length + 1;
  let done = 0;
  const onStep = (step: string) => onProgress?.({ done: ++done, total, step });
  const objects = await compileObjects({ compiler, units, cwd, onStep });
  const args = [...objects, ...linkFlags(Deno.build.os), "-o", "library.so"];
  await compile(compiler, { args, cwd, signal: new AbortController().signal });
  onStep("link");
  return `${cwd}/library.so`;
}
