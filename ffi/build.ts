/** Builds the native library from its sources with the machine's C++ compiler. */
import { compile, type Compiler, findCompiler } from "./compiler.ts";
import { ABI_VERSION } from "./symbols.ts";
import { COMMON_FLAGS, type CompileUnit, compileUnits, linkFlags, SOURCES } from "./sources.ts";

const KEY_DIGITS = 16;
const LIBRARY_PREFIX = "liblonglens-";
const WORK_PREFIX = "build-";

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

/** File name of the library that the present sources make on this machine; it holds the ABI version and a hash of all of them. */
export async function libraryName(): Promise<string> {
  return `${LIBRARY_PREFIX}${ABI_VERSION}-${await sourceKey()}.so`;
}

/** Hash of the sources, flags and platform. */
export async function sourceKey(): Promise<string> {
  const { os, arch } = Deno.build;
  const inputs = JSON.stringify([
    os,
    arch,
    COMMON_FLAGS,
    compileUnits(arch),
    linkFlags(os),
    SOURCES,
  ]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(inputs));
  return new Uint8Array(digest).toHex().slice(0, KEY_DIGITS);
}

/**
 * Builds the library into `folder` and returns its path; returns at once where it is there.
 * Processes that build into the same folder wait for each other, and the second finds what the first has built.
 *
 * @throws {LibraryError} without a compiler, or when it fails
 */
export async function buildLibrary(
  folder: string,
  { onProgress }: BuildOptions = {},
): Promise<string> {
  const path = `${folder}/${await libraryName()}`;
  if (await isFile(path)) return path;
  const compiler = await findCompiler();
  await Deno.mkdir(folder, { recursive: true });
  using lock = await Deno.open(`${folder}/lock`, { create: true, write: true });
  await lock.lock(true); // the system gives it back when this process ends, however it ends
  if (await isFile(path)) return path;
  await removeFiles(folder, (name) => name.startsWith(WORK_PREFIX)); // of builds that were killed
  const work = await Deno.makeTempDir({ dir: folder, prefix: WORK_PREFIX });
  try {
    await writeSources(work);
    await Deno.rename(await compileAll(work, compiler, onProgress), path);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return path;
}

/** Removes the libraries of other sources from `folder`. */
export async function removeOldLibraries(folder: string): Promise<void> {
  const current = await libraryName();
  await removeFiles(folder, (name) => name.startsWith(LIBRARY_PREFIX) && name !== current);
}

/** Whether there is a file at `path`. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeFiles(folder: string, chosen: (name: string) => boolean): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (chosen(name)) await removeIfThere(`${folder}/${name}`);
  }
}

/** Another process may clean the same folder. */
async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function writeSources(folder: string): Promise<void> {
  for (const [path, text] of Object.entries(SOURCES)) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
}

async function compileAll(
  cwd: string,
  compiler: Compiler,
  onProgress: BuildOptions["onProgress"],
): Promise<string> {
  const units = compileUnits(Deno.build.arch);
  const total = units.length + 1;
  let done = 0;
  const step = (name: string) => onProgress?.({ done: ++done, total, step: name });
  await eachAtOnce(units, navigator.hardwareConcurrency, async (unit, signal) => {
    await compile(compiler, { args: unitArguments(unit), cwd, signal });
    step(unit.path);
  });
  const args = [...units.map(objectOf), ...linkFlags(Deno.build.os), "-o", "library.so"];
  await compile(compiler, { args, cwd, signal: new AbortController().signal });
  step("link");
  return `${cwd}/library.so`;
}

function unitArguments(unit: CompileUnit): string[] {
  return [...COMMON_FLAGS, ...unit.flags, "-c", unit.path, "-o", objectOf(unit)];
}

function objectOf({ path }: CompileUnit): string {
  return path.replaceAll("/", "_").replace(/\.cpp$/, ".o");
}

/** Works on all items, `limit` at a time. The first failure stops the others and is thrown. */
async function eachAtOnce<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const queue = items.values(); // shared, so that every worker takes the next item
  const abort = new AbortController();
  const worker = async () => {
    for (const item of queue) await work(item, abort.signal);
  };
  const workers = Array.from({ length: limit }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    abort.abort();
    await Promise.allSettled(workers);
    throw error;
  }
}
