/**
 * `deno run --allow-all test/gpu/capture.ts`: compiles `capture_decode.cu` with nvcc against the device's CUDA library,
 * runs it and prints what it prints.
 */
import { fileURLToPath } from "node:url";
import { compile, findCompiler } from "../../ffi/compiler.ts";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { findCudaLibrary } from "../../ffi/cuda_library.ts";
import { inFolder } from "../in_folder.ts";

/** The program. */
export const PROGRAM = fileURLToPath(new URL("capture_decode.cu", import.meta.url));

/** Flags of nvcc for it. */
export const FLAGS: readonly string[] = [
  ...["-std=c++20", "-O2", "--cudart", "static"],
  ...["-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra"],
];

async function main(): Promise<number> {
  const { device, problem } = findCudaDevice();
  if (!device) throw new Error(`Cannot capture a graph as ${problem}`);
  const { path } = await findCudaLibrary(device);
  const compiler = await findCompiler("CUDA");
  let code = 1;
  await inFolder(async (cwd) => {
    const { signal } = new AbortController();
    await compile(compiler, { args: [...FLAGS, PROGRAM, path, "-o", "capture"], cwd, signal });
    ({ code } = await new Deno.Command(`${cwd}/capture`).spawn().status);
  });
  return code;
}

if (import.meta.main) Deno.exit(await main());
