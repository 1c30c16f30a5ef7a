/** Builds the CUDA library from its sources with nvcc. */
import type { BuildOptions } from "./build.ts";
import { buildOnce, eachAtOnce, hashOf, isFile, removeFiles, writeTexts } from "./build_folder.ts";
import { compile, type Compiler, findCompiler } from "./compiler.ts";
import {
  CUDA_LINK_FLAGS,
  CUDA_SOURCES,
  CUDA_TARGETS,
  cudaFlags,
  type CudaTarget,
  cudaUnits,
} from "./cuda_sources.ts";
import { ABI_VERSION } from "./symbols.ts";

const PREFIX = "liblonglens_cuda-";
const REPORT = ".registers.txt";

/** Options of {@link buildCudaLibrary}. */
export interface CudaBuildOptions extends BuildOptions {
  /**
   * What to build for. Each target takes as long as the others.
   * @default all
   */
  readonly targets?: readonly CudaTarget[];
}

/** File name of the library that the present sources make for these targets; it holds the ABI version and a hash of all of them. */
export async function cudaLibraryName(
  targets: readonly CudaTarget[] = CUDA_TARGETS,
): Promise<string> {
  const { os, arch } = Deno.build;
  const key = await hashOf([os, arch, cudaFlags(targets), CUDA_LINK_FLAGS, CUDA_SOURCES]);
  const what = targets.length === CUDA_TARGETS.length ? "all" : targets.join("-");
  return `${PREFIX}${ABI_VERSION}-${what}-${key}.so`;
}

/** Path of what the compiler reported about a library's registers and spills when it was built. */
export function registerReport(library: string): string {
  return `${library}${REPORT}`;
}

/**
 * Builds the library into `folder` and returns its path; returns at once where it is there.
 *
 * @throws {LibraryError} without nvcc, or when it fails
 */
export async function buildCudaLibrary(
  folder: string,
  { targets = CUDA_TARGETS, onProgress }: CudaBuildOptions = {},
): Promise<string> {
  const name = await cudaLibraryName(targets);
  if (await isFile(`${folder}/${name}`)) return `${folder}/${name}`; // needs no compiler
  const compiler = await findCompiler("CUDA");
  const artefact = { name, lock: "cuda-lock", workPrefix: "cuda-build-" };
  return await buildOnce(folder, artefact, async (work) => {
    await writeTexts(work, CUDA_SOURCES);
    const report = await compileUnits(work, compiler, targets, onProgress);
    await Deno.writeTextFile(registerReport(`${folder}/${name}`), report);
    return `${work}/library.so`;
  });
}

/** Removes the libraries of other sources from `folder`. */
export async function removeOldCudaLibraries(folder: string): Promise<void> {
  const sets = [CUDA_TARGETS, ...CUDA_TARGETS.map((target) => [target])];
  const current = await Promise.all(sets.map((targets) => cudaLibraryName(targets)));
  const isCurrent = (name: string) => current.some((wanted) => name.startsWith(wanted));
  await removeFiles(folder, (name) => name.startsWith(PREFIX) && !isCurrent(name));
}

/** Makes `library.so` in `cwd` and returns what the compiler reported. */
async function compileUnits(
  cwd: string,
  compiler: Compiler,
  targets: readonly CudaTarget[],
  onProgress: BuildOptions["onProgress"],
): Promise<string> {
  const units = cudaUnits();
  const reports = new Map<string, string>();
  const step = (name: string) =>
    onProgress?.({ done: reports.size, total: units.length + 1, step: name });
  await eachAtOnce(units, navigator.hardwareConcurrency, async (unit, signal) => {
    const args = [...cudaFlags(targets), "-c", unit, "-o", objectOf(unit)];
    reports.set(unit, await compile(compiler, { args, cwd, signal }));
    step(unit);
  });
  const args = [...units.map(objectOf), ...CUDA_LINK_FLAGS, "-o", "library.so"];
  reports.set("link", await compile(compiler, { args, cwd, signal: new AbortController().signal }));
  step("link");
  return [...reports].toSorted().map(([unit, text]) => `== ${unit}\n${text}`).join("\n");
}

function objectOf(unit: string): string {
  return `${unit.replaceAll("/", "_")}.o`;
}
