/**
 * Stands in for the native library and records the calls that `NativeBackend` makes.
 *
 * Memory that a call writes comes back filled with numbers of cells, each given once, so that whatever the backend makes
 * of it (a slice, a number of an object) still tells which memory must hold it.
 */
import { type Compute, PAGE_TOKENS } from "../../ffi/backend.ts";
import { DTYPE_CODES, KV_BYTES } from "../../ffi/elements.ts";
import { NativeBackend } from "../../ffi/native_backend.ts";
import type { NativeLibrary, RunOptions } from "../../ffi/native_library.ts";
import { Memory } from "../../ffi/native_memory.ts";
import { DIRECT_SYMBOLS, INDEX_SYMBOLS, RUN_SYMBOLS } from "../../ffi/symbols.ts";
import { declarations } from "../ffi/header.ts";
import { type Argument, type Block, bytesOf, type Call, type Expectation } from "./case_file.ts";

const BLOCK_BITS = 32n;
const LL_CANCELLED = 3;
/** From here f32 no longer tells neighbours apart. */
const MAX_CELLS = 2 ** 24;

/** What a call's `ll_run` holds. */
type RunFields = Pick<Call, "cancel" | "compute">;
const PLAIN_RUN: RunFields = { cancel: false, compute: "f32" };

type HostArray = ArrayBufferView & { readonly length: number };

interface Cells {
  readonly first: number;
  readonly count: number;
  readonly address: bigint;
  readonly isFloat: boolean;
}

/** Where an array lies, and its elements' type. */
export interface Place {
  /** Address of its first element. */
  readonly address: bigint;
  /** Whether its elements are f32; else they are i32. */
  readonly isFloat: boolean;
}

/** Records calls and the memory they work on. */
export class Recorder {
  /** Blocks of memory. */
  readonly blocks: Block[] = [];
  /** Calls in their order. */
  readonly calls: Call[] = [];
  /** What the backend already relies on. */
  readonly expectations: Expectation[] = [];
  /** What `NativeBackend` counts. */
  readonly allocatedBytes = { fast: 0, slow: 0, file: 0 };
  /** Functions that take no `ll_run`. */
  readonly symbols: Readonly<Record<string, (...args: unknown[]) => number>>;
  /** The backend whose calls these are. */
  readonly backend = "cpu";
  /** As that of the CPU. */
  readonly hasIndexes = true;
  readonly #cells: Cells[] = [];
  readonly #written = new Map<unknown, bigint>();

  /** Nothing is recorded yet. */
  constructor() {
    this.symbols = {
      ...Object.fromEntries(
        Object.keys(DIRECT_SYMBOLS).map((name) => [name, (...args) => this.#record(name, args)]),
      ),
      ll_page_bytes: (dim, dtype, out) => this.#pageBytes(dim as number, dtype as number, out),
    };
  }

  /** A backend whose calls are recorded. */
  open(compute: Compute): NativeBackend {
    return new NativeBackend(this as unknown as NativeLibrary, compute);
  }

  /** A block of device memory. */
  allocate(sizeBytes: number): Memory {
    return this.#memory(sizeBytes, new Uint8Array(), "allocated");
  }

  /** A block that holds the file at `path`. */
  mapFile(path: string): Memory {
    const content = Deno.readFileSync(path);
    return this.#memory(content.length, content, "mapped");
  }

  /** Records a call; one with a control is cancelled while it runs. */
  run(name: string, args: readonly unknown[], { control, compute = "f32" }: RunOptions): void {
    this.#record(name, [RUN, ...args], { cancel: control !== undefined, compute });
  }

  /** Nothing fails here. */
  check(): void {}

  /** The driver frees memory after the case. */
  release(): void {}

  /** Where the array lies whose cells `numbers` are. */
  placeOf(numbers: Float32Array): Place {
    const first = numbers[0]!;
    if (numbers.some((number, i) => number !== first + i)) {
      throw new Error("Cannot find the array as its cells do not follow each other");
    }
    const { address, isFloat, ...cells } = this.#cellsOf(first, numbers.length);
    return { address: address + BigInt(4 * (first - cells.first)), isFloat };
  }

  #cellsOf(first: number, count: number): Cells {
    const found = this.#cells.find((cells) =>
      first >= cells.first && first + count <= cells.first + cells.count
    );
    if (!found) throw new Error("Cannot find the array as no call wrote it");
    return found;
  }

  #memory(bytes: number, content: Uint8Array, kind: "allocated" | "mapped"): Memory {
    const address = this.#block({ kind: "device", bytes, content });
    return new Memory(this as unknown as NativeLibrary, address, bytes, kind);
  }

  #block(block: Block): bigint {
    return BigInt(this.blocks.push(block)) << BLOCK_BITS;
  }

  #record(name: string, values: readonly unknown[], run: RunFields = PLAIN_RUN): number {
    const args = values.map((value, i) => this.#argument(name, i, value));
    this.calls.push({ name, status: run.cancel ? LL_CANCELLED : 0, ...run, args });
    return 0;
  }

  #argument(name: string, index: number, value: unknown): Argument {
    if (value === RUN) return { kind: "run" };
    if (value === null) return { kind: "address", value: 0n };
    if (ArrayBuffer.isView(value)) {
      return { kind: "address", value: this.#host(value as HostArray, ACCESS.get(name)![index]!) };
    }
    const type = TYPES[name]!.parameters[index]!;
    if (type === "f32") return { kind: "number", value: Math.fround(value as number) };
    const kind = type === "u64" ? "address" : "integer";
    return { kind, value: BigInt(value as number | bigint) };
  }

  #host(array: HostArray, access: Access): bigint {
    if (array instanceof Uint8Array) return this.#bytes(array);
    const known = this.#written.get(array);
    if (known !== undefined) return known;
    const kind = array instanceof BigUint64Array ? "addresses" : "host";
    const content = access === "written" ? new Uint8Array() : bytesOf(array).slice();
    const address = this.#block({ kind, bytes: array.byteLength, content });
    if (access !== "read") this.#fill(array, address);
    return address;
  }

  /** Bytes are handed from call to call, and nothing may be expected of them. */
  #bytes({ buffer, byteOffset }: Uint8Array): bigint {
    const known = this.#written.get(buffer);
    if (known !== undefined) return known + BigInt(byteOffset);
    const content = new Uint8Array(buffer).slice();
    this.#written.set(buffer, this.#block({ kind: "host", bytes: content.length, content }));
    return this.#written.get(buffer)! + BigInt(byteOffset);
  }

  #fill(array: HostArray, address: bigint): void {
    const isInteger = array instanceof Int32Array || array instanceof Uint32Array;
    if (!(array instanceof Float32Array || isInteger)) {
      throw new Error(
        "Cannot record the call as it writes elements of another type than f32 or i32",
      );
    }
    const last = this.#cells.at(-1);
    const first = last ? last.first + last.count : 1;
    const { length: count } = array;
    if (first + count > MAX_CELLS) throw new Error("Cannot record the case as it writes too much");
    this.#cells.push({ first, count, address, isFloat: array instanceof Float32Array });
    for (let i = 0; i < count; i++) array[i] = first + i;
    this.#written.set(array, address);
  }

  /** The backend needs this answer at once, so the driver only asks the library whether it agrees. */
  #pageBytes(dim: number, dtype: number, out: unknown): number {
    const name = KV_DTYPES.find((one) => DTYPE_CODES[one] === dtype)!;
    const scales = name === "int8" ? PAGE_TOKENS + dim : 0;
    const bytes = PAGE_TOKENS * (2 * dim * KV_BYTES[name] + 4) + scales;
    const answer = new Int32Array(2); // of the same size as an i64
    this.#record("ll_page_bytes", [dim, dtype, answer]);
    this.expectations.push({
      name: "bytes of a page",
      address: this.#written.get(answer)!,
      values: Int32Array.of(bytes, 0),
      width: 2,
      floor: 0,
      tolerance: 0,
    });
    (out as BigInt64Array)[0] = BigInt(bytes);
    return 0;
  }
}

const KV_DTYPES = ["f32", "bf16", "int8"] as const;
const RUN = Symbol("ll_run");

const TYPES: Readonly<Record<string, { readonly parameters: readonly string[] }>> = {
  ...DIRECT_SYMBOLS,
  ...RUN_SYMBOLS,
  ...INDEX_SYMBOLS,
};

/** What a function does with what a parameter points to. */
type Access = "read" | "written" | "both";

/** Functions that go on from what their results hold. */
const READ_AND_WRITTEN = ["ll_pool_map", "ll_graph_extend", "ll_flat4_encode"];

const ACCESS: ReadonlyMap<string, readonly Access[]> = new Map(
  [...declarations()].map(([name, { parameters }]) => [
    name,
    parameters.map((parameter) => accessOf(name, parameter)),
  ]),
);

function accessOf(name: string, parameter: string): Access {
  if (!parameter.includes("*") || parameter.includes("const")) return "read";
  return READ_AND_WRITTEN.includes(name) ? "both" : "written";
}
