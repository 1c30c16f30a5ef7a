/** Finds the CUDA library, and builds it where there is none yet. */
import type { DeviceInfo } from "./backend.ts";
import type { BuildOptions } from "./build.ts";
import { buildCudaLibrary, cudaLibraryName } from "./cuda_build.ts";
import { targetOf } from "./cuda_sources.ts";
import { BackendError, LibraryError } from "./errors.ts";
import {
  findBuilt,
  findOrBuild,
  type LibraryFile,
  libraryFolders,
  type LibraryKind,
} from "./library.ts";

/** Options of {@link findCudaLibrary}. */
export interface CudaLibraryOptions extends BuildOptions {
  /**
   * Whether it may be built. That takes minutes.
   * @default true
   */
  readonly build?: boolean;
}

/** The library for a device: built for all targets, or for its capability alone, which is what gets built. */
export async function cudaLibrary({ name, capability }: DeviceInfo): Promise<LibraryKind> {
  const target = targetOf(capability);
  if (target === null) {
    throw new BackendError(
      `Cannot use ${name} as its capability must be >= 8.0: current value is ${capability}`,
    );
  }
  return {
    title: "CUDA library",
    language: "CUDA",
    names: [await cudaLibraryName(), await cudaLibraryName([target])],
    build: (folder, options) => buildCudaLibrary(folder, { ...options, targets: [target] }),
  };
}

/**
 * The library of the present sources for a device: from a folder, else built into the first folder that takes it.
 *
 * @throws {LibraryError} that says what is missing
 */
export async function findCudaLibrary(
  device: DeviceInfo,
  { build = true, onProgress }: CudaLibraryOptions = {},
): Promise<LibraryFile> {
  const kind = await cudaLibrary(device);
  if (build) return await findOrBuild(kind, { onProgress });
  const found = await findBuilt(libraryFolders(), kind);
  if (found) return found;
  throw new LibraryError("The CUDA library is not built yet: run deno task build:cuda");
}
