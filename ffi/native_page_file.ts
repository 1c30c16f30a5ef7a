/** Pages of keys and values in a file that the native library maps. */
import type { PageFile, PageFileOptions, PageSpec, PageTier } from "./backend.ts";
import { checkPageFile, noPageFile } from "./check_memory.ts";
import { BackendError, BudgetError } from "./errors.ts";
import type { NativeLibrary } from "./native_library.ts";
import { lost } from "./native_memory.ts";
import { NativePage, pageBytes, type PageMemory } from "./native_pages.ts";
import { textBytes } from "./native_run.ts";
import { granted } from "./permissions.ts";

/** Each part of a file doubles it, from the first of these sizes up to the last. */
const FIRST_PART_BYTES = 2 ** 20;
const LARGEST_PART_BYTES = 2 ** 26;
/** The library takes multiples of it. */
const GRAIN_BYTES = 2 ** 16;
/** Pages begin at multiples of it. */
const ALIGNMENT_BYTES = 64;

/** A mapped part of a file. */
interface Part {
  readonly address: bigint;
  readonly sizeBytes: number;
}

/** What is given back with a file. */
interface Holding {
  readonly file: number;
  readonly parts: Part[];
  /** Bytes of open pages. */
  openBytes: number;
}

/** A file without a name. It grows as pages are made, and takes freed ones again. */
export class NativePageFile implements PageFile {
  /** Bytes of a page in it. */
  readonly pageBytes: number;
  /** Bytes that its pages may take. */
  readonly limitBytes: number;
  readonly #library: NativeLibrary;
  readonly #spec: PageSpec;
  readonly #sizeBytes: number;
  readonly #holding: Holding;
  readonly #free: () => void;
  readonly #spare: bigint[] = [];
  #zeros: Uint8Array<ArrayBuffer> | null = null;
  #fresh = { address: 0n, count: 0 };
  #made = 0;
  #open = 0;
  #closed = false;

  /** Creates the file. Deno's permissions apply, although the library does the writing. */
  constructor(library: NativeLibrary, spec: PageSpec, options: PageFileOptions) {
    const { path, limitBytes = Infinity } = options;
    checkPageFile(spec, limitBytes);
    this.#library = library;
    this.#spec = { ...spec };
    this.#sizeBytes = pageBytes(library, spec);
    this.pageBytes = roundUp(this.#sizeBytes, ALIGNMENT_BYTES);
    this.limitBytes = limitBytes;
    this.#holding = { file: createFile(library, path), parts: [], openBytes: 0 };
    this.#free = freer(library, this.#holding);
    lost.register(this, this.#free, this);
  }

  /** Bytes that its open pages take. */
  get usedBytes(): number {
    return this.#open * this.pageBytes;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** A new zeroed page. */
  page(): NativePage {
    if (this.#closed) throw new BackendError("Cannot make a page as its file is closed");
    const slot = new Slot(this, this.#take(), this.#sizeBytes, (address) => this.#give(address));
    this.#open++;
    this.#count(this.#sizeBytes);
    return new NativePage(slot, this.#spec, this.#library.backend, () => this.page());
  }

  /** Gives back its space once no running call may use it. Its pages are closed then. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    lost.unregister(this);
    this.#free();
  }

  #take(): bigint {
    const used = this.#spare.pop();
    if (used !== undefined) return this.#cleared(used);
    if (this.#fresh.count === 0) this.#grow();
    const { address, count } = this.#fresh;
    this.#fresh = { address: address + BigInt(this.pageBytes), count: count - 1 };
    return address;
  }

  #give(address: bigint): void {
    if (this.#closed) return;
    this.#open--;
    this.#count(-this.#sizeBytes);
    this.#library.release(() => this.#spare.push(address));
  }

  #cleared(address: bigint): bigint {
    this.#zeros ??= new Uint8Array(this.#sizeBytes);
    const { symbols } = this.#library;
    const status = symbols.ll_copy_in(address, this.#zeros, BigInt(this.#sizeBytes));
    this.#library.check(status, "clear a page");
    return address;
  }

  #grow(): void {
    const count = Math.min(
      this.#growth(),
      Math.floor(this.limitBytes / this.pageBytes) - this.#made,
    );
    if (count < 1) {
      throw new BudgetError(
        `Cannot add a page of ${this.pageBytes} bytes to the file of keys and values as its pages may take ` +
          `${this.limitBytes} bytes: current value is ${this.#made * this.pageBytes}`,
      );
    }
    const sizeBytes = roundUp(count * this.pageBytes, GRAIN_BYTES);
    const address = new BigUint64Array(1);
    const { symbols } = this.#library;
    const status = symbols.ll_extend_file!(this.#holding.file, BigInt(sizeBytes), address);
    this.#library.check(status, "extend a file of pages");
    this.#holding.parts.push({ address: address[0]!, sizeBytes });
    this.#made += count;
    this.#fresh = { address: address[0]!, count };
  }

  /** Pages to add. */
  #growth(): number {
    const first = Math.ceil(FIRST_PART_BYTES / this.pageBytes);
    const largest = Math.ceil(LARGEST_PART_BYTES / this.pageBytes);
    return Math.min(Math.max(this.#made, first), largest);
  }

  #count(sizeBytes: number): void {
    this.#holding.openBytes += sizeBytes;
    this.#library.allocatedBytes.file += sizeBytes;
  }
}

/** The place of a page in a file. */
class Slot implements PageMemory {
  readonly tier: PageTier = "file";
  readonly #file: NativePageFile;
  readonly #give: (address: bigint) => void;
  #closed = false;

  constructor(
    file: NativePageFile,
    readonly address: bigint,
    readonly sizeBytes: number,
    give: (address: bigint) => void,
  ) {
    this.#file = file;
    this.#give = give;
  }

  get closed(): boolean {
    return this.#closed || this.#file.closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#give(this.address);
  }
}

function createFile(library: NativeLibrary, path: string): number {
  const create = library.symbols.ll_create_file;
  if (create === null) throw noPageFile(library.backend);
  checkPermitted(path);
  const file = new Int32Array(1);
  library.check(create(textBytes(path), file), `create a file of pages at ${path}`);
  return file[0]!;
}

function checkPermitted(path: string): void {
  const missing = (["read", "write"] as const).filter((name) => !granted({ name, path }));
  if (missing.length === 0) return;
  const flags = missing.map((name) => `--allow-${name}=${path}`).join(" ");
  throw new BackendError(`Cannot create a file of pages at ${path} without ${flags}`);
}

// This must not close over the file, which the registry could then never see lost.
function freer(library: NativeLibrary, holding: Holding): () => void {
  return () => {
    library.allocatedBytes.file -= holding.openBytes;
    library.release(() => {
      const { ll_unmap_file, ll_close_file } = library.symbols;
      for (const { address, sizeBytes } of holding.parts) ll_unmap_file(address, BigInt(sizeBytes));
      ll_close_file!(holding.file);
    });
  };
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
