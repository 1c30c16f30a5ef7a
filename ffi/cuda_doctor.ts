/** What `deno task doctor` shows about CUDA. */
import type { BackendInfo, DeviceInfo } from "./backend.ts";
import { findCompiler } from "./compiler.ts";
import { findCudaDevice } from "./cuda_device.ts";
import { cudaLibrary } from "./cuda_library.ts";
import { chosenCudaLibrary, findBuilt, type LibraryFile, libraryFolders } from "./library.ts";
import { openBackend } from "./open.ts";

/** CUDA on a machine as Longlens sees it. */
export interface CudaDiagnosis {
  /** The device. */
  readonly device: DeviceInfo | null;
  /** Command and version of the CUDA compiler, where there is a device. */
  readonly compiler: string | null;
  /** The library that would be loaded. */
  readonly library: LibraryFile | null;
  /** What the library runs on, when it could be loaded. */
  readonly native: BackendInfo | null;
  /** What is missing and what to do, empty when CUDA is used. */
  readonly missing: readonly string[];
}

/** Looks for a device and what it needs. Builds nothing. */
export async function diagnoseCuda(): Promise<CudaDiagnosis> {
  const { device, problem } = findCudaDevice();
  if (!device) return { device, compiler: null, library: null, native: null, missing: [problem] };
  const missing: string[] = [];
  const obstacles: string[] = []; // to building
  const compiler = await orProblem(obstacles, async () => {
    const { command, args, version } = await findCompiler("CUDA");
    return `${[command, ...args].join(" ")}: ${version}`;
  });
  const library = await orProblem(missing, () => findAny(device));
  const native = library && await orProblem(missing, async () => {
    return (await openBackend({ backend: "cuda" })).info(); // builds nothing, as there is one
  });
  if (!library) {
    missing.push(...obstacles, "The CUDA library is not built: run deno task build:cuda");
  }
  return { device, compiler, library, native, missing };
}

async function findAny(device: DeviceInfo): Promise<LibraryFile | null> {
  const chosen = chosenCudaLibrary();
  if (chosen) return { path: chosen, source: "environment" };
  return await findBuilt(libraryFolders(), await cudaLibrary(device));
}

async function orProblem<T>(problems: string[], work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    problems.push((error as Error).message);
    return null;
  }
}
