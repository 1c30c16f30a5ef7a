/**
 * `deno task build:cuda [target ...]`: builds the CUDA library into the checkout's `.build`, for all targets or for those
 * that are named (`sm_80`, `sm_86`, `sm_89`, `sm_90a`, `ptx`), unless it is there.
 */
import type { BuildProgress } from "../../ffi/build.ts";
import { buildCudaLibrary, registerReport, removeOldCudaLibraries } from "../../ffi/cuda_build.ts";
import { CUDA_TARGETS, type CudaTarget } from "../../ffi/cuda_sources.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { libraryFolders } from "../../ffi/library.ts";

const folder = libraryFolders()[0]!.path;
const start = performance.now();

function show({ done, total, step }: BuildProgress): void {
  console.log(`[${done}/${total}] ${step}, ${seconds()}`);
}

function seconds(): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

function targets(names: readonly string[]): readonly CudaTarget[] {
  const unknown = names.find((name) => !CUDA_TARGETS.includes(name as CudaTarget));
  if (unknown !== undefined) {
    throw new LibraryError(
      `Cannot build as targets must be of ${CUDA_TARGETS.join(", ")}: current value is ${unknown}`,
    );
  }
  return names.length > 0 ? names as CudaTarget[] : CUDA_TARGETS;
}

try {
  const path = await buildCudaLibrary(folder, { targets: targets(Deno.args), onProgress: show });
  await removeOldCudaLibraries(folder);
  console.log(`${path} is up to date after ${seconds()}`);
  console.log(`Registers and spills: ${registerReport(path)}`);
} catch (error) {
  if (!(error instanceof LibraryError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
