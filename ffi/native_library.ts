/** A loaded native library: its calls, checked, and the lifetime of what they use. */
import type {
  Awaitable,
  BackendName,
  Compute,
  DeviceInfo,
  MemoryTier,
  PageTier,
} from "./backend.ts";
import { BackendError, CancelledError, LibraryError } from "./errors.ts";
import { Memory } from "./native_memory.ts";
import { granted } from "./permissions.ts";
import { NativeControl, statusError, textBytes, textOf } from "./native_run.ts";
import {
  ABI_VERSION,
  type Background,
  DIRECT_SYMBOLS,
  inBackground,
  INDEX_SYMBOLS,
  RUN_SYMBOLS,
  type RunArguments,
  type RunName,
} from "./symbols.ts";

/**
 * Multiply-adds below which a call blocks: 10 ms on two cores. To leave the event loop and come back costs a step of
 * decoding 1 ms and more.
 */
const BLOCKING_WORK = 2e8;
const INFO_BYTES = 1024;
const TIER_CODES: Readonly<Record<MemoryTier, number>> = { fast: 0, slow: 1 };

type Functions =
  & typeof DIRECT_SYMBOLS
  & typeof RUN_SYMBOLS
  & typeof INDEX_SYMBOLS
  & Background;
type Symbols = Deno.StaticForeignLibraryInterface<Functions>;
type RunFunction = (run: Uint8Array<ArrayBuffer>, ...args: readonly unknown[]) => Awaitable<number>;

/** How to run a call that may be long. */
export interface RunOptions {
  /** Estimated multiply-adds. Small calls block, others run off the event loop. */
  readonly work: number;
  /** Cancels it and counts its progress. */
  readonly control?: NativeControl | undefined;
  /** What its products are of, where it has products of many rows. */
  readonly compute?: Compute | undefined;
}

/** What a native library tells about itself. */
export interface LibraryInfo {
  /** Which library it is. */
  readonly backend: BackendName;
  /** Instruction set in use. */
  readonly isa: string;
  /** Instruction sets of the library that this machine can run. */
  readonly available: readonly string[];
  /** What the instruction set in use can multiply. */
  readonly compute: readonly Compute[];
  /** Threads of the pool. */
  readonly threads: number;
  /** Memory that it has. */
  readonly tiers: readonly MemoryTier[];
  /** The device, of a library that needs one and found it. */
  readonly device?: DeviceInfo;
  /** Why the device cannot be used. */
  readonly problem?: string;
}

/** The native library of this process. */
export class NativeLibrary {
  /** File it was loaded from. */
  readonly path: string;
  /** Functions that return at once. */
  readonly symbols: Symbols;
  /** Bytes that are allocated and open. */
  readonly allocatedBytes: Record<PageTier, number> = { fast: 0, slow: 0, file: 0 };
  readonly #flights = new Set<object>();
  readonly #spare = new NativeControl();
  #released: (() => void)[] = [];
  #backend: BackendName | undefined;
  #hasSlowTier: boolean | undefined;

  private constructor(path: string, symbols: Symbols) {
    this.path = path;
    this.symbols = symbols;
  }

  /** Loads the library at `path`. Throws `LibraryError` where it cannot be loaded or has another ABI version. */
  static load(path: string): NativeLibrary {
    checkAbi(path);
    return new NativeLibrary(path, openLibrary(path, allSymbols()).symbols);
  }

  /** The backend whose memory it gives. */
  get backend(): BackendName {
    return this.#backend ??= this.info().backend;
  }

  /** Whether it has the operations of indexes over keys. */
  get hasIndexes(): boolean {
    return this.symbols.ll_nearest_keys !== null;
  }

  /** Starts the library, or changes its threads (0: the cores of this process) and instruction set ("": the best). */
  start(threads: number, isa: string): void {
    this.check(this.symbols.ll_init(threads, textBytes(isa)), "start the native library");
  }

  /** What the library runs on. */
  info(): LibraryInfo {
    const json = new Uint8Array(INFO_BYTES);
    this.check(this.symbols.ll_info(json, INFO_BYTES), "describe the native library");
    return libraryInfo(JSON.parse(textOf(json)));
  }

  /** Zeroed memory of `sizeBytes`, in the fast tier where there is no slow one. */
  allocate(sizeBytes: number, wanted: MemoryTier = "fast"): Memory {
    const tier = wanted === "slow" && this.#offersSlowTier() ? "slow" : "fast";
    const address = new BigUint64Array(1);
    const status = this.symbols.ll_alloc(BigInt(sizeBytes), TIER_CODES[tier], address);
    this.check(status, `allocate ${sizeBytes} bytes`);
    this.allocatedBytes[tier] += sizeBytes;
    return new Memory(this, address[0]!, sizeBytes, "allocated", tier);
  }

  /** The file at `path`, mapped read-only. */
  mapFile(path: string): Memory {
    const address = new BigUint64Array(1);
    const bytes = new BigInt64Array(1);
    this.check(this.symbols.ll_map_file(textBytes(path), address, bytes), `map ${path}`);
    return new Memory(this, address[0]!, Number(bytes[0]), "mapped");
  }

  /** Throws the error of a failed call that takes no `ll_run`. */
  check(status: number, action: string): void {
    if (status !== 0) throw statusError(status, action, this.#lastError());
  }

  /**
   * Calls a function that may be long. It blocks when the work is small and nothing else is running: a small call
   * behind a long one would hold the event loop until the pool is free.
   */
  run<Name extends RunName>(
    name: Name,
    args: RunArguments<Name>,
    { work, control, compute }: RunOptions,
  ): Awaitable<void> {
    if (control?.cancelled) throw new CancelledError(`Cannot run ${name} as it was cancelled`);
    if (work >= BLOCKING_WORK || this.#flights.size > 0) {
      return this.#runInBackground(name, args, control ?? new NativeControl(), compute);
    }
    const record = control ?? this.#spare;
    record.begin(compute);
    const status = this.#function(name)(record.bytes, ...args);
    checkRun(status as number, name, record);
  }

  /** Frees memory now, or once no call runs that might use it. */
  release(free: () => void): void {
    if (this.#flights.size === 0) free();
    else this.#released.push(free);
  }

  async #runInBackground(
    name: RunName,
    args: readonly unknown[],
    record: NativeControl,
    compute: Compute | undefined,
  ): Promise<void> {
    // The set holds the buffers: a suspended function may drop locals that it does not read again.
    const flight = { record, args };
    this.#flights.add(flight);
    record.begin(compute);
    try {
      const call = this.#function(`${name}_background`);
      checkRun(await call(record.bytes, ...args), name, record);
    } finally {
      this.#flights.delete(flight);
      if (this.#flights.size === 0) this.#freeReleased();
    }
  }

  #function(name: RunName | keyof Background): RunFunction {
    const found = this.symbols[name];
    if (found) return found as RunFunction;
    throw new BackendError(
      `Cannot run ${name} as this library must have it: current backend is ${this.backend}`,
    );
  }

  #offersSlowTier(): boolean {
    return this.#hasSlowTier ??= this.info().tiers.includes("slow");
  }

  #freeReleased(): void {
    const released = this.#released;
    this.#released = [];
    for (const free of released) free();
  }

  #lastError(): string {
    const pointer = this.symbols.ll_last_error();
    try {
      return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
    } catch {
      return ""; // with --allow-ffi=<path> Deno follows no pointers
    }
  }
}

/** What the library writes is flat. */
function libraryInfo(flat: LibraryInfo & DeviceInfo & { readonly device?: string }): LibraryInfo {
  const { backend, isa, available, compute, threads, tiers, problem, device: name } = flat;
  const { driver, capability, memoryBytes, multiprocessors } = flat;
  return {
    ...{ backend, isa, available, compute, threads, tiers },
    ...(name ? { device: { name, driver, capability, memoryBytes, multiprocessors } } : {}),
    ...(problem ? { problem } : {}),
  };
}

function checkRun(status: number, name: RunName, record: NativeControl): void {
  if (status !== 0) throw statusError(status, `run ${name}`, record.error);
}

function allSymbols(): Functions {
  const runs = { ...RUN_SYMBOLS, ...INDEX_SYMBOLS };
  return { ...DIRECT_SYMBOLS, ...runs, ...inBackground(runs) };
}

function checkAbi(path: string): void {
  const { ll_abi_version } = DIRECT_SYMBOLS;
  const probe = openLibrary(path, { ll_abi_version });
  const version = probe.symbols.ll_abi_version();
  probe.close();
  if (version === ABI_VERSION) return;
  throw new LibraryError(
    `Cannot load ${path} as its ABI version must be ${ABI_VERSION}: current value is ${version}`,
  );
}

function openLibrary<S extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: S,
): Deno.DynamicLibrary<S> {
  if (!granted({ name: "ffi", path })) {
    throw new LibraryError(`Cannot load ${path} without --allow-ffi or --allow-ffi=${path}`);
  }
  try {
    return Deno.dlopen(path, symbols);
  } catch (cause) {
    throw new LibraryError(`Cannot load ${path}: ${(cause as Error).message}`, { cause });
  }
}
