/** Builds the CUDA library over emulated CUDA (`emulated_cuda/emulated_cuda.h`) into the build folder of this checkout. */
import { fileURLToPath } from "node:url";
import { buildOnce, eachAtOnce, hashOf, isFile, removeFiles } from "../../ffi/build_folder.ts";
import { compile, type Compiler } from "../../ffi/compiler.ts";
import { CUDA_SOURCES, cudaUnits } from "../../ffi/cuda_sources.ts";
import { linkFlags } from "../../ffi/sources.ts";
import { compilerOrNull } from "../compiler_or_null.ts";

const FOLDER = fileURLToPath(new URL("../../.build", import.meta.url));
const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
const EMULATION = fileURLToPath(new URL("emulated_cuda/", import.meta.url));
const PREFIX = "emulated_cuda-";
const FLAGS = [
  ...["-std=c++20", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra"],
  ...["-Wno-unknown-pragmas", "-DLONGLENS_EMULATED", `-I${EMULATION}`, "-x", "c++"],
];
const AT_ONCE = 2;

/** Path of the library, which is built where it is not there; `null` where there is no compiler, or no x86-64. */
export async function emulatedCudaLibrary(): Promise<string | null> {
  if (Deno.build.arch !== "x86_64") return null;
  const name = await libraryName();
  if (await isFile(`${FOLDER}/${name}`)) return `${FOLDER}/${name}`;
  const compiler = await compilerOrNull();
  if (compiler === null) return null;
  const artefact = { name, lock: "emulated_cuda_lock", workPrefix: "emulated_cuda_build-" };
  const path = await buildOnce(FOLDER, artefact, (work) => build(work, compiler));
  await removeFiles(FOLDER, (entry) => entry.startsWith(PREFIX) && entry !== name);
  return path;
}

/** Files to compile. */
export async function emulatedCudaUnits(): Promise<string[]> {
  const emulation = await emulationFiles();
  return [
    ...cudaUnits().map((path) => `${KERNELS}${path}`),
    ...emulation.filter((path) => path.endsWith(".cpp")),
  ];
}

/** Makes the library of `units` in `cwd` and returns its path. */
export async function build(
  cwd: string,
  compiler: Compiler,
  units?: readonly string[],
): Promise<string> {
  const all = [...(units ?? await emulatedCudaUnits()).entries()];
  await eachAtOnce(all, AT_ONCE, async ([i, unit], signal) => {
    await compile(compiler, { args: [...FLAGS, "-c", unit, "-o", `${i}.o`], cwd, signal });
  });
  const objects = all.map(([i]) => `${i}.o`);
  const args = [...objects, ...linkFlags(Deno.build.os), "-Wl,-Bsymbolic", "-o", "library.so"];
  await compile(compiler, { args, cwd, signal: new AbortController().signal });
  return `${cwd}/library.so`;
}

async function libraryName(): Promise<string> {
  const emulation = await Promise.all(
    (await emulationFiles()).map((path) => Deno.readTextFile(path)),
  );
  return `${PREFIX}${await hashOf([FLAGS, CUDA_SOURCES, emulation])}.so`;
}

async function emulationFiles(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(EMULATION));
  return entries.map(({ name }) => `${EMULATION}${name}`).toSorted();
}
