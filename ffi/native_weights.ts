/** Weight files mapped by the native library. */
import type { Awaitable, Tensor, WeightDType, WeightFile } from "./backend.ts";
import { checkFileTensor } from "./check_memory.ts";
import { bytesOf, countOf, DTYPE_BYTES, DTYPE_CODES, isBlocks } from "./elements.ts";
import { BackendError } from "./errors.ts";
import type { NativeLibrary } from "./native_library.ts";
import type { Memory } from "./native_memory.ts";
import { NativeTensor } from "./native_tensor.ts";

/** Opens the file at `path`. Deno's read permission applies, although the library does the reading. */
export async function openNativeWeights(
  library: NativeLibrary,
  path: string,
): Promise<NativeWeightFile> {
  await checkReadable(path);
  return new NativeWeightFile(library, path, library.mapFile(path));
}

/** A mapped weight file. */
export class NativeWeightFile implements WeightFile {
  readonly #library: NativeLibrary;
  readonly #path: string;
  readonly #memory: Memory;
  readonly #copies: Tensor[] = [];

  /** Takes over a mapping. */
  constructor(library: NativeLibrary, path: string, memory: Memory) {
    this.#library = library;
    this.#path = path;
    this.#memory = memory;
  }

  /** Size of the file in bytes. */
  get sizeBytes(): number {
    return this.#memory.sizeBytes;
  }

  /** A view of the mapping where dtype, alignment and order allow it, else a copy. */
  async tensor(
    offset: number,
    stored: WeightDType,
    shape: readonly number[],
    as: WeightDType,
    order?: Int32Array,
  ): Promise<Tensor> {
    if (this.#memory.closed) throw new BackendError(`Cannot read ${this.#path} as it is closed`);
    checkFileTensor(this.sizeBytes, offset, stored, shape, as, order);
    // The mapping starts on a page, so the offset alone decides.
    const aligned = isBlocks(stored) || offset % DTYPE_BYTES[stored] === 0;
    if (stored === as && aligned && !order) {
      const at = { memory: this.#memory, offset, owns: false };
      return new NativeTensor(this.#library, shape, as, at);
    }
    const source = this.#memory.address + BigInt(offset);
    const copy = order
      ? await this.#ordered(source, stored, shape, as, order)
      : await this.#copied(shape, as, (target) => this.#convert(source, stored, target));
    this.#copies.push(copy);
    return copy;
  }

  /** Ends the mapping, and closes the copies. */
  close(): void {
    this.#memory.close();
    for (const copy of this.#copies.splice(0)) copy.close();
  }

  /** Rows are put in order as they are stored, and converted then. */
  async #ordered(
    source: bigint,
    stored: WeightDType,
    shape: readonly number[],
    as: WeightDType,
    order: Int32Array,
  ): Promise<NativeTensor> {
    const ordered = await this.#copied(shape, stored, (target) => {
      this.#copyRows(source, order, target);
    });
    if (stored === as) return ordered;
    try {
      return await this.#copied(shape, as, (to) => this.#convert(ordered.address, stored, to));
    } finally {
      ordered.close();
    }
  }

  async #copied(
    shape: readonly number[],
    as: WeightDType,
    fill: (target: NativeTensor) => Awaitable<void>,
  ): Promise<NativeTensor> {
    const memory = this.#library.allocate(bytesOf(as, countOf(shape)));
    const tensor = new NativeTensor(this.#library, shape, as, { memory, offset: 0, owns: true });
    try {
      await fill(tensor);
    } catch (error) {
      tensor.close();
      throw error;
    }
    return tensor;
  }

  #copyRows(source: bigint, order: Int32Array, { target, sizeBytes }: NativeTensor): void {
    const { symbols } = this.#library;
    const rowBytes = BigInt(sizeBytes / order.length);
    order.forEach((from, row) => {
      const at = target + BigInt(row) * rowBytes;
      const status = symbols.ll_copy(at, source + BigInt(from) * rowBytes, rowBytes);
      this.#library.check(status, "copy a row of weights");
    });
  }

  #convert(source: bigint, stored: WeightDType, to: NativeTensor): Awaitable<void> {
    const { target, dtypeCode, count } = to;
    return this.#library.run(
      "ll_convert",
      [source, DTYPE_CODES[stored], target, dtypeCode, BigInt(count)],
      { work: count },
    );
  }
}

async function checkReadable(path: string): Promise<void> {
  try {
    if (!(await Deno.stat(path)).isFile) throw new Error("it is no file");
  } catch (cause) {
    const { message } = cause as Error;
    throw new BackendError(`Cannot open weight file ${path}: ${message}`, { cause });
  }
}
