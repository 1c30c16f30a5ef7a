/** Opens a backend: CUDA where a device answers, else the native library where it can be had, else the reference. */
import type { Backend, BackendName, Compute } from "./backend.ts";
import type { BuildProgress } from "./build.ts";
import { findCudaDevice } from "./cuda_device.ts";
import { BackendError, LibraryError } from "./errors.ts";
import { chosenCudaLibrary, chosenLibrary, findLibrary } from "./library.ts";
import { readEnv } from "./permissions.ts";
import { openReferenceBackend } from "./reference_backend.ts";
import { SharedLibrary, type Start } from "./shared_library.ts";

/** Options of {@link openBackend}. */
export interface OpenOptions {
  /**
   * Which backend. `auto` is the one of LONGLENS_BACKEND, else `cuda` where a device answers and neither `isa` nor
   * LONGLENS_LIBRARY ask for the CPU, else `cpu`, or the reference with a notice where there is no native library.
   * @default "auto"
   */
  readonly backend?: BackendName | "auto" | undefined;
  /**
   * Threads of the native library of the CPU, which has the indexes beside CUDA, too. It is one per process: a number given
   * later changes it for all.
   * @default LONGLENS_THREADS, else the cores that this process may use
   */
  readonly threads?: number | undefined;
  /**
   * Instruction set of the native library: `portable`, `avx2`, `avx512`, `avx512bf16` or `amx`; with CUDA `simt`
   * (products of f32 only), `sm_80` or `sm_90a`. It is one per process, too.
   * @default LONGLENS_ISA where it is one of that library, else the best one of this machine
   */
  readonly isa?: string | undefined;
  /**
   * What the native library multiplies: `f32`, or `bf16` where the instruction set does that. The backend's `info()`
   * tells what it came to.
   * @default "bf16"
   */
  readonly compute?: Compute | undefined;
  /** Receives the sentence that says why `auto` is not CUDA although there is a device, or not the native library. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Receives the progress of a build, when the library must be built first. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

const CUDA_ISAS: readonly string[] = ["simt", "sm_80", "sm_90a"];

const cpu = new SharedLibrary();
const cuda = new SharedLibrary();

/**
 * Opens a backend.
 *
 * @throws {LibraryError} when the native library is asked for, by `cpu` or by `LONGLENS_LIBRARY`, and cannot be had
 * @throws {BackendError} for `cuda` where no device answers
 */
export async function openBackend(options: OpenOptions = {}): Promise<Backend> {
  const { backend: asked = "auto" } = options;
  const backend = asked === "auto" ? readEnv("LONGLENS_BACKEND") ?? asked : asked;
  if (backend === "reference") return openReferenceBackend();
  if (backend === "cpu") return await openCpu(options);
  if (backend === "cuda") return await openCuda(options, true);
  if (backend === "auto") return await openDevice(options) ?? await openAny(options);
  throw new RangeError(
    `Cannot open a backend as it must be auto, cpu, reference or cuda: current value is ${backend}`,
  );
}

async function openAny(options: OpenOptions): Promise<Backend> {
  try {
    return await openCpu(options);
  } catch (error) {
    if (!(error instanceof LibraryError) || chosenLibrary()) throw error;
    options.onNotice?.(
      `Longlens runs on its slow reference backend, as the native library is not there. ${error.message}`,
    );
    return openReferenceBackend();
  }
}

/** CUDA where it is there and nothing asks for the CPU, else `null`. A library is built only where progress is shown. */
async function openDevice(options: OpenOptions): Promise<Backend | null> {
  const isa = options.isa ?? readEnv("LONGLENS_ISA") ?? "";
  if (chosenLibrary() || (isa && !CUDA_ISAS.includes(isa)) || !findCudaDevice().device) return null;
  try {
    return await openCuda(options, options.onProgress !== undefined);
  } catch (error) {
    const expected = error instanceof LibraryError || error instanceof BackendError;
    if (!expected || chosenCudaLibrary()) throw error;
    options.onNotice?.(`Longlens does not use the CUDA device. ${error.message}`);
    return null;
  }
}

async function openCuda(options: OpenOptions, build: boolean): Promise<Backend> {
  const find = async () => chosenCudaLibrary() ?? await findCuda(options, build);
  const isa = isaOf(options, cuda, (isa) => CUDA_ISAS.includes(isa));
  const openHost = () => openCpu({ ...options, isa: undefined });
  return await cuda.open(find, options.compute ?? "bf16", { threads: 0, isa }, openHost);
}

async function findCuda({ onProgress }: OpenOptions, build: boolean): Promise<string> {
  const { device, problem } = findCudaDevice();
  if (!device) throw new BackendError(`Cannot open backend cuda as ${problem}`);
  const { findCudaLibrary } = await import("./cuda_library.ts");
  return (await findCudaLibrary(device, { build, onProgress })).path;
}

async function openCpu(options: OpenOptions): Promise<Backend> {
  const { compute = "bf16", onProgress } = options;
  const find = async () => (await findLibrary({ onProgress })).path;
  return await cpu.open(find, compute, startOf(options));
}

function startOf(options: OpenOptions): Start {
  const threads = options.threads ?? cpu.started?.threads ?? threadsOfEnv() ?? 0;
  if (!Number.isInteger(threads) || threads < 0) {
    throw new RangeError(
      `Cannot open a backend as threads must be a whole number, 0 for all cores: current value is ${threads}`,
    );
  }
  return { threads, isa: isaOf(options, cpu, (isa) => !CUDA_ISAS.includes(isa)) };
}

/** The variable is for both libraries: it is heeded where it names an instruction set of this one. */
function isaOf(
  { isa }: OpenOptions,
  { started }: SharedLibrary,
  belongs: (isa: string) => boolean,
): string {
  const named = readEnv("LONGLENS_ISA");
  return isa ?? started?.isa ?? (named && belongs(named) ? named : "");
}

function threadsOfEnv(): number | undefined {
  const text = readEnv("LONGLENS_THREADS");
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new RangeError(
    `Cannot open a backend as LONGLENS_THREADS must be a whole number: current value is ${text}`,
  );
}
