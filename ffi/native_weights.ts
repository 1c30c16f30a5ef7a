/** Weight files mapped by the native library. */
import type { DType, FileDType, Tensor, WeightFile } from "./backend.ts";
import { checkFileTensor, checkTensorShape } from "./check_memory.ts";
import { DTYPE_BYTES } from "./elements.ts";
import { BackendError } from "./errors.ts";
import type { NativeLibrary } from "./native_library.ts";
import type { Memory } from "./native_memory.ts";
import { DTYPE_CODES, NativeTensor } from "./native_tensor.ts";

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

  /** A view of the mapping where dtype and alignment allow it, else a converted copy. */
  async tensor(
    offset: number,
    stored: FileDType,
    shape: readonly number[],
    as: DType,
  ): Promise<Tensor> {
    if (this.#memory.closed) throw new BackendError(`Cannot read ${this.#path} as it is closed`);
    checkFileTensor(this.sizeBytes, offset, stored, shape);
    // The mapping starts on a page, so the offset alone decides.
    if (stored === as && offset % DTYPE_BYTES[as] === 0) {
      return new NativeTensor(this.#library, shape, as, {
        memory: this.#memory,
        offset,
        owns: false,
      });
    }
    return await this.#convert(offset, stored, shape, as);
  }

  /** Ends the mapping, and closes the converted copies. */
  close(): void {
    this.#memory.close();
    for (const copy of this.#copies.splice(0)) copy.close();
  }

  async #convert(
    offset: number,
    stored: FileDType,
    shape: readonly number[],
    as: DType,
  ): Promise<Tensor> {
    const count = checkTensorShape(shape);
    const memory = this.#library.allocate(count * DTYPE_BYTES[as]);
    const tensor = new NativeTensor(this.#library, shape, as, { memory, offset: 0, owns: true });
    const source = this.#memory.address + BigInt(offset);
    try {
      await this.#library.run(
        "ll_convert",
        [source, DTYPE_CODES[stored], tensor.target, tensor.dtypeCode, BigInt(count)],
        { work: count },
      );
    } catch (error) {
      tensor.close();
      throw error;
    }
    this.#copies.push(tensor);
    return tensor;
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
