/** Tensors in the native library's memory. */
import type { BackendName, Tensor, WeightDType } from "./backend.ts";
import { checkRows, checkWrite } from "./check_memory.ts";
import { bytesOf, countOf, DTYPE_CODES } from "./elements.ts";
import { BackendError } from "./errors.ts";
import type { NativeLibrary } from "./native_library.ts";
import type { Memory } from "./native_memory.ts";
import { fromStored, toStored } from "./stored_elements.ts";

/** Where a tensor's elements lie. */
export interface Placement {
  /** The block. */
  readonly memory: Memory;
  /** Bytes before the first element. */
  readonly offset: number;
  /** Whether closing the tensor closes the block. */
  readonly owns: boolean;
}

/** An array in native memory. */
export class NativeTensor implements Tensor {
  /** Name of the backend. */
  readonly backend: BackendName;
  /** Element type. */
  readonly dtype: WeightDType;
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly count: number;
  readonly #library: NativeLibrary;
  readonly #at: Placement;
  #closed = false;

  /** A tensor over `at`, which must hold the elements. */
  constructor(library: NativeLibrary, shape: readonly number[], dtype: WeightDType, at: Placement) {
    this.backend = library.backend;
    this.#library = library;
    this.#at = at;
    this.shape = shape;
    this.dtype = dtype;
    this.count = countOf(shape);
  }

  /** Size in bytes. */
  get sizeBytes(): number {
    return bytesOf(this.dtype, this.count);
  }

  /** Whether it, or the memory it is a view of, was closed. */
  get closed(): boolean {
    return this.#closed || this.#at.memory.closed;
  }

  /** Address of the first element, to be read. */
  get address(): bigint {
    if (this.closed) throw new BackendError(`Cannot use tensor [${this.shape}] as it is closed`);
    return this.#at.memory.address + BigInt(this.#at.offset);
  }

  /** Address of the first element, to be written. */
  get target(): bigint {
    if (this.#at.memory.kind === "allocated") return this.address;
    throw new BackendError(`Cannot write tensor [${this.shape}] as it lies in a weight file`);
  }

  /** Number of its element type in the C ABI. */
  get dtypeCode(): number {
    return DTYPE_CODES[this.dtype];
  }

  /** A view of `count` elements of the first dimension. */
  rows(start: number, count: number): NativeTensor {
    checkRows(this.shape, start, count);
    if (this.closed) throw new BackendError(`Cannot view tensor [${this.shape}] as it is closed`);
    const { memory, offset } = this.#at;
    const rowBytes = this.sizeBytes / this.shape[0]!;
    const at = { memory, offset: offset + start * rowBytes, owns: false };
    return new NativeTensor(this.#library, [count, ...this.shape.slice(1)], this.dtype, at);
  }

  /** Copies `data` in. */
  write(data: Float32Array): void {
    checkWrite(this.count, data);
    const host = toStored(data, this.dtype);
    const status = this.#library.symbols.ll_copy_in(this.target, host, BigInt(this.sizeBytes));
    this.#library.check(status, "write a tensor");
  }

  /** Copies the elements out. */
  read(): Float32Array {
    if (this.dtype === "f32") return this.#copyOut(new Float32Array(this.count));
    return fromStored(this.#copyOut(new Uint8Array(this.sizeBytes)), this.dtype);
  }

  /** Ends its use, and frees the memory if it owns it. */
  close(): void {
    this.#closed = true;
    if (this.#at.owns) this.#at.memory.close();
  }

  #copyOut<T extends Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(host: T): T {
    const status = this.#library.symbols.ll_copy_out(host, this.address, BigInt(this.sizeBytes));
    this.#library.check(status, "read a tensor");
    return host;
  }
}
