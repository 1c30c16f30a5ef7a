/** Pages of keys and values in native memory, and page tables of their addresses. */
import {
  type BackendName,
  type KvView,
  type Page,
  PAGE_TOKENS,
  type PageSpec,
  type PageTable,
  type PageTier,
} from "./backend.ts";
import { checkTableSet } from "./check_memory.ts";
import { DTYPE_CODES } from "./elements.ts";
import { ShapeError } from "./errors.ts";
import type { NativeLibrary } from "./native_library.ts";

const FIRST_CAPACITY = 16;

/** The memory of a page. */
export interface PageMemory {
  /** Address of its first byte. */
  readonly address: bigint;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Where it lies. */
  readonly tier: PageTier;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** Frees it. */
  close(): void;
}

/** A copy of a device's page, of the backend of the CPU. */
export interface HostCopy {
  /** Its page. */
  readonly page: Page;
  /** Slots from the first on that hold what the device's page does. */
  slots: number;
}

/** A page in native memory. */
export class NativePage implements Page {
  /** Shape and dtype. */
  readonly spec: PageSpec;
  /** Name of the backend. */
  readonly backend: BackendName;
  /** Makes another zeroed page where this one lies. */
  readonly another: () => NativePage;
  /** The copy that the CPU reads, if one was made. It is closed with the page. */
  copy: HostCopy | null = null;
  readonly #memory: PageMemory;

  /** Takes over `memory` of `backend`. */
  constructor(
    memory: PageMemory,
    spec: PageSpec,
    backend: BackendName,
    another: () => NativePage,
  ) {
    this.#memory = memory;
    this.spec = spec;
    this.backend = backend;
    this.another = another;
  }

  /** Size in bytes. */
  get sizeBytes(): number {
    return this.#memory.sizeBytes;
  }

  /** Where it lies. */
  get tier(): PageTier {
    return this.#memory.tier;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#memory.closed;
  }

  /** Address of its first byte. */
  get address(): bigint {
    return this.#memory.address;
  }

  /** Bytes of its copy. */
  get hostBytes(): number {
    return this.copy?.page.sizeBytes ?? 0;
  }

  /** Notes that slots from `slot` on are written: with int8 all others, too, as their scales may change. */
  written(slot: number): void {
    if (!this.copy) return;
    this.copy.slots = this.spec.dtype === "int8" ? 0 : Math.min(this.copy.slots, slot);
  }

  /** Frees it. */
  close(): void {
    this.copy?.page.close();
    this.copy = null;
    this.#memory.close();
  }
}

/** `page` as a page of a native backend. Throws `ShapeError` where it is not. */
export function nativePage(page: Page, backend: BackendName): NativePage {
  if (page instanceof NativePage && page.backend === backend) return page;
  throw new ShapeError(`Cannot use the page as it must be a page of backend ${backend}`);
}

/** Bytes of a page of `spec`. */
export function pageBytes(library: NativeLibrary, { dim, dtype }: PageSpec): number {
  const bytes = new BigInt64Array(1);
  const status = library.symbols.ll_page_bytes(dim, DTYPE_CODES[dtype], bytes);
  library.check(status, "compute the size of a page");
  return Number(bytes[0]);
}

/** Page table whose addresses the library reads: `[kvHeads][stride]`. */
export class NativePageTable implements PageTable {
  /** Name of the backend. */
  readonly backend: BackendName;
  /** Number of KV heads. */
  readonly kvHeads: number;
  /** Shape and dtype of every page in it. */
  readonly spec: PageSpec;
  readonly #pages: (NativePage | undefined)[][];
  #addresses: BigUint64Array<ArrayBuffer>;
  #stride = FIRST_CAPACITY;

  /** An empty table. */
  constructor(kvHeads: number, spec: PageSpec, backend: BackendName) {
    this.backend = backend;
    this.kvHeads = kvHeads;
    this.spec = spec;
    this.#pages = Array.from({ length: kvHeads }, () => []);
    this.#addresses = new BigUint64Array(kvHeads * this.#stride);
  }

  /** The addresses. A later `set` may replace the array but never changes what a running call reads of it. */
  get addresses(): BigUint64Array<ArrayBuffer> {
    return this.#addresses;
  }

  /** Entries of a row of the addresses. */
  get stride(): number {
    return this.#stride;
  }

  /** Number of its pages' element type in the C ABI. */
  get dtypeCode(): number {
    return DTYPE_CODES[this.spec.dtype];
  }

  /** The open page that is entered there. */
  page(kvHead: number, index: number): NativePage | null {
    const page = this.#pages[kvHead]?.[index];
    return page === undefined || page.closed ? null : page;
  }

  /** Notes that tokens `start .. end-1` are written. */
  written(start: number, end: number): void {
    const [first, last] = [Math.floor(start / PAGE_TOKENS), Math.ceil(end / PAGE_TOKENS)];
    for (const pages of this.#pages) {
      for (let p = first; p < last; p++) pages[p]?.written(Math.max(0, start - p * PAGE_TOKENS));
    }
  }

  /** Whether an open page is entered there. */
  holds(kvHead: number, index: number): boolean {
    return this.page(kvHead, index) !== null;
  }

  /** Enters a page. */
  set(kvHead: number, index: number, page: Page): void {
    const native = nativePage(page, this.backend);
    checkTableSet(this.kvHeads, this.spec, kvHead, index, page, native.spec);
    if (index >= this.#stride) this.#grow(index + 1);
    this.#pages[kvHead]![index] = native;
    this.#addresses[kvHead * this.#stride + index] = native.address;
  }

  #grow(needed: number): void {
    const stride = Math.max(needed, 2 * this.#stride);
    const addresses = new BigUint64Array(this.kvHeads * stride);
    for (let head = 0; head < this.kvHeads; head++) {
      const start = head * this.#stride;
      addresses.set(this.#addresses.subarray(start, start + this.#stride), head * stride);
    }
    this.#addresses = addresses;
    this.#stride = stride;
  }
}

/** The pages of `kv` as native calls take them. Its table has been checked to be of this backend. */
export function pagesOf(
  { table }: KvView,
): [pages: BigUint64Array<ArrayBuffer>, stride: number, dtype: number] {
  const { addresses, stride, dtypeCode } = table as NativePageTable;
  return [addresses, stride, dtypeCode];
}
