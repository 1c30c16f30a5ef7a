/** Tensors of the reference backend, and the weight files they come from. */
import type { Tensor, WeightDType, WeightFile } from "./backend.ts";
import { checkFileTensor, checkRows, checkWrite } from "./check_memory.ts";
import { bytesOf } from "./elements.ts";
import { BackendError } from "./errors.ts";
import { fileBytes } from "./file_bytes.ts";
import { fromStored, toStored } from "./stored_elements.ts";

/** Bytes that are open. */
export interface Account {
  /** How many. */
  bytes: number;
}

/** An array of f32; other types are kept as the numbers they stand for. */
export class ReferenceTensor implements Tensor {
  readonly backend = "reference";
  readonly sizeBytes: number;
  #data: Float32Array;
  #closed = false;

  constructor(
    readonly dtype: WeightDType,
    readonly shape: readonly number[],
    data: Float32Array,
    readonly account: Account | null,
    readonly parent: ReferenceTensor | ReferenceFile | null,
  ) {
    this.#data = data;
    this.sizeBytes = bytesOf(dtype, data.length);
    if (account) account.bytes += this.sizeBytes;
  }

  get closed(): boolean {
    return this.#closed || (this.parent?.closed ?? false);
  }

  get data(): Float32Array {
    if (this.closed) throw new BackendError("Cannot use tensor as it is closed");
    return this.#data;
  }

  rows(start: number, count: number): Tensor {
    checkRows(this.shape, start, count);
    const size = this.data.length / this.shape[0]!;
    const data = this.data.subarray(start * size, (start + count) * size);
    return new ReferenceTensor(this.dtype, [count, ...this.shape.slice(1)], data, null, this);
  }

  write(data: Float32Array): void {
    checkWrite(this.data.length, data);
    this.data.set(rounded(data, this.dtype));
  }

  read(): Float32Array {
    return this.data.slice();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#data = new Float32Array();
    if (this.account) this.account.bytes -= this.sizeBytes;
  }
}

/** A weight file; every tensor is a converted copy. */
export class ReferenceFile implements WeightFile {
  closed = false;
  readonly #tensors: Tensor[] = [];

  constructor(readonly path: string, readonly sizeBytes: number, readonly account: Account) {}

  async tensor(
    offset: number,
    stored: WeightDType,
    shape: readonly number[],
    as: WeightDType,
    order?: Int32Array,
  ): Promise<Tensor> {
    if (this.closed) throw new BackendError("Cannot read a tensor of a file as the file is closed");
    const bytes = checkFileTensor(this.sizeBytes, offset, stored, shape, as, order);
    const elements = fromStored(await readBytes(this.path, offset, bytes), stored);
    const ordered = order ? inOrder(elements, order) : elements;
    const data = as === stored ? ordered : rounded(ordered, as);
    const tensor = new ReferenceTensor(as, [...shape], data, this.account, this);
    this.#tensors.push(tensor);
    return tensor;
  }

  close(): void {
    this.closed = true;
    for (const tensor of this.#tensors.splice(0)) tensor.close();
  }
}

async function readBytes(path: string, offset: number, count: number): Promise<Uint8Array> {
  return await orBackendError(`read weight file ${path}`, async () => {
    using file = await Deno.open(path);
    const bytes = await fileBytes(file, offset, count);
    if (bytes.length === count) return bytes;
    throw new Error(`The file ends after ${offset + bytes.length} bytes`);
  });
}

/** Opens a weight file; its tensors are read when they are asked for. */
export async function openReferenceFile(path: string, account: Account): Promise<ReferenceFile> {
  const { size } = await orBackendError(`open weight file ${path}`, () => Deno.stat(path));
  return new ReferenceFile(path, size, account);
}

async function orBackendError<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new BackendError(`Cannot ${action}: ${(cause as Error).message}`, { cause });
  }
}

/** What is kept of numbers that are stored as `dtype`. */
function rounded(data: Float32Array, dtype: WeightDType): Float32Array {
  if (dtype === "f32") return data;
  const stored = toStored(data, dtype) as Uint8Array | Uint16Array;
  return fromStored(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), dtype);
}

function inOrder(elements: Float32Array, order: Int32Array): Float32Array {
  const width = elements.length / order.length;
  const ordered = new Float32Array(elements.length);
  order.forEach((from, row) => {
    ordered.set(elements.subarray(from * width, (from + 1) * width), row * width);
  });
  return ordered;
}
