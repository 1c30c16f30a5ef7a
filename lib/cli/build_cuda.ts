/**
 * `deno task build:cuda [target ...]`: builds the CUDA library into the checkout's `.build`, for all targets or for those
 * that are named (`sm_80`, `sm_86`, `sm_89`, `sm_90a`, `ptx`), unless it is there.
 */
import { parseArgs } from "node:util";
import type { BuildProgress } from "../../ffi/build.ts";
import { buildCudaLibrary, registerReport, removeOldCudaLibraries } from "../../ffi/cuda_build.ts";
import { CUDA_TARGETS, type CudaTarget } from "../../ffi/cuda_sources.ts";
import { libraryFolders } from "../../ffi/library.ts";
import { command } from "./command.ts";

const USAGE = `deno task build:cuda TARGET... builds the CUDA library for targets of
${CUDA_TARGETS.join(", ")} (all)`;
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
    throw new RangeError(
      `Cannot build as targets must be of ${CUDA_TARGETS.join(", ")}: current value is ${unknown}`,
    );
  }
  return names.length > 0 ? names as CudaTarget[] : CUDA_TARGETS;
}

async function main(): Promise<void> {
  const { values: { help }, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: "boolean" } },
  });
  if (help) return console.log(USAGE);
  const folder = libraryFolders()[0]!.path;
  const path = await buildCudaLibrary(folder, { targets: targets(positionals), onProgress: show });
  await removeOldCudaLibraries(folder);
  console.log(`${path} is up to date after ${seconds()}`);
  console.log(`Registers and spills: ${registerReport(path)}`);
}

if (import.meta.main) await command("build:cuda", main);
