/** Opens a backend: the native library where it can be had, the reference otherwise. */
import type { Backend, BackendName, Compute } from "./backend.ts";
import type { BuildProgress } from "./build.ts";
import { BackendError, LibraryError } from "./errors.ts";
import { chosenLibrary, findLibrary } from "./library.ts";
import { NativeBackend } from "./native_backend.ts";
import { NativeLibrary } from "./native_library.ts";
import { readEnv } from "./permissions.ts";
import { openReferenceBackend } from "./reference_backend.ts";

/** Options of {@link openBackend}. */
export interface OpenOptions {
  /**
   * Which backend. `auto` is the one of LONGLENS_BACKEND, else the native library, or the reference with a notice
   * where there is none.
   * @default "auto"
   */
  readonly backend?: BackendName | "auto" | undefined;
  /**
   * Threads of the native library. It is one per process: a number given later changes it for all.
   * @default LONGLENS_THREADS, else the cores that this process may use
   */
  readonly threads?: number | undefined;
  /**
   * Instruction set of the native library: `portable`, `avx2`, `avx512`, `avx512bf16` or `amx`. It is one per process,
   * too.
   * @default LONGLENS_ISA, else the best one of this machine
   */
  readonly isa?: string | undefined;
  /**
   * What the native library multiplies: `f32`, or `bf16` where the instruction set does that. The backend's `info()`
   * tells what it came to.
   * @default "bf16"
   */
  readonly compute?: Compute | undefined;
  /** Receives the sentence that says why `auto` is not the native library. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Receives the progress of a build, when the library must be built first. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

interface Start {
  readonly threads: number;
  readonly isa: string;
}

/** The native library's backends; they share it. */
type Native = Readonly<Record<Compute, NativeBackend>>;

let native: Promise<Native> | null = null;
let started: Start | null = null;

/**
 * Opens a backend.
 *
 * @throws {LibraryError} when the native library is asked for, by `cpu` or by `LONGLENS_LIBRARY`, and cannot be had
 * @throws {BackendError} for `cuda`, which this build lacks
 */
export async function openBackend(options: OpenOptions = {}): Promise<Backend> {
  const { backend: asked = "auto" } = options;
  const backend = asked === "auto" ? readEnv("LONGLENS_BACKEND") ?? asked : asked;
  if (backend === "reference") return openReferenceBackend();
  if (backend === "cpu") return await openNative(options);
  if (backend === "auto") return await openAny(options);
  if (backend === "cuda") throw new BackendError("Cannot open backend cuda as this build has none");
  throw new RangeError(
    `Cannot open a backend as it must be auto, cpu, reference or cuda: current value is ${backend}`,
  );
}

async function openAny(options: OpenOptions): Promise<Backend> {
  try {
    return await openNative(options);
  } catch (error) {
    if (!(error instanceof LibraryError) || chosenLibrary()) throw error;
    options.onNotice?.(
      `Longlens runs on its slow reference backend, as the native library is not there. ${error.message}`,
    );
    return openReferenceBackend();
  }
}

async function openNative(options: OpenOptions): Promise<Backend> {
  const start = startOf(options);
  native ??= load(options);
  try {
    const backend = (await native)[options.compute ?? "bf16"];
    restart(backend, start);
    return backend;
  } catch (error) {
    if (!started) native = null; // so that a later call may try again
    throw error;
  }
}

async function load({ onProgress }: OpenOptions): Promise<Native> {
  const { path } = await findLibrary({ onProgress });
  const library = NativeLibrary.load(path);
  return { f32: new NativeBackend(library, "f32"), bf16: new NativeBackend(library, "bf16") };
}

function restart({ library }: NativeBackend, start: Start): void {
  if (started?.threads === start.threads && started.isa === start.isa) return;
  library.start(start.threads, start.isa);
  started = start;
}

function startOf(options: OpenOptions): Start {
  const threads = options.threads ?? started?.threads ?? threadsOfEnv() ?? 0;
  if (!Number.isInteger(threads) || threads < 0) {
    throw new RangeError(
      `Cannot open a backend as threads must be a whole number, 0 for all cores: current value is ${threads}`,
    );
  }
  return { threads, isa: options.isa ?? started?.isa ?? readEnv("LONGLENS_ISA") ?? "" };
}

function threadsOfEnv(): number | undefined {
  const text = readEnv("LONGLENS_THREADS");
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new RangeError(
    `Cannot open a backend as LONGLENS_THREADS must be a whole number: current value is ${text}`,
  );
}
