/** Writes the file that the driver replays; `case_file.h` describes it. */
import type { Compute } from "../../ffi/backend.ts";
import { DTYPE_CODES } from "../../ffi/elements.ts";

const BLOCK_KIND = { device: 0, host: 1, addresses: 2 } as const;

const ARGUMENT_KIND = { run: 0, integer: 1, number: 2, address: 3 } as const;
const ELEMENT_KIND = { float: 0, integer: 1 } as const;
const CALL = 0;
const EXPECTATION = 1;

/** A block of memory. */
export interface Block {
  /** Device memory, host memory, or host memory that holds addresses. */
  readonly kind: keyof typeof BLOCK_KIND;
  /** Its size in bytes. */
  readonly bytes: number;
  /** What it holds at first; nothing where it begins as rubbish. */
  readonly content: Uint8Array;
}

/** An argument of a call. */
export type Argument =
  | { readonly kind: "run" }
  | { readonly kind: "integer" | "address"; readonly value: bigint }
  | { readonly kind: "number"; readonly value: number };

/** A call of the C ABI. */
export interface Call {
  /** Name of the function. */
  readonly name: string;
  /** What it must return. */
  readonly status: number;
  /** Whether it is cancelled while it runs. */
  readonly cancel: boolean;
  /** What its `ll_run` asks it to multiply. */
  readonly compute: Compute;
  /** Its arguments. */
  readonly args: readonly Argument[];
}

/** What memory must hold after the calls. */
export interface Expectation {
  /** What it is, for the message. */
  readonly name: string;
  /** Where it lies. */
  readonly address: bigint;
  /** Elements of a row. */
  readonly width: number;
  /** Least size that a row's error is compared with. */
  readonly floor: number;
  /** Largest error of a row relative to that size. */
  readonly tolerance: number;
  /** The elements. */
  readonly values: Float32Array | Int32Array;
}

/** A recorded case. */
export interface Recording {
  /** Its name. */
  readonly name: string;
  /** Memory it works on. */
  readonly blocks: readonly Block[];
  /** Its calls, in order. */
  readonly calls: readonly Call[];
  /** What must hold afterwards. */
  readonly expectations: readonly Expectation[];
}

/** Writes `recordings` to the file at `path`. */
export async function writeCases(path: string, recordings: readonly Recording[]): Promise<void> {
  using file = await Deno.open(path, { create: true, truncate: true, write: true });
  const head = new Encoder();
  head.raw(new TextEncoder().encode("LLCASES1"));
  head.integer(recordings.length);
  await writeAll(file, head.bytes());
  for (const recording of recordings) await writeAll(file, encoded(recording));
}

class Encoder {
  readonly #parts: Uint8Array[] = [];

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  integer(value: number | bigint): void {
    this.raw(new Uint8Array(BigInt64Array.of(BigInt(value)).buffer));
  }

  number(value: number): void {
    this.raw(new Uint8Array(Float64Array.of(value).buffer));
  }

  array(bytes: Uint8Array): void {
    this.integer(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    this.array(new TextEncoder().encode(text));
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let next = 0;
    for (const part of this.#parts) {
      whole.set(part, next);
      next += part.length;
    }
    return whole;
  }
}

function encoded({ name, blocks, calls, expectations }: Recording): Uint8Array {
  const encoder = new Encoder();
  encoder.text(name);
  encoder.integer(blocks.length);
  for (const block of blocks) encodeBlock(encoder, block);
  encoder.integer(calls.length + expectations.length);
  for (const call of calls) encodeCall(encoder, call);
  for (const expectation of expectations) encodeExpectation(encoder, expectation);
  return encoder.bytes();
}

function encodeBlock(encoder: Encoder, { kind, bytes, content }: Block): void {
  encoder.integer(BLOCK_KIND[kind]);
  encoder.integer(bytes);
  encoder.array(content);
}

function encodeCall(encoder: Encoder, { name, status, cancel, compute, args }: Call): void {
  encoder.integer(CALL);
  encoder.text(name);
  encoder.integer(status);
  encoder.integer(cancel ? 1 : 0);
  encoder.integer(DTYPE_CODES[compute]);
  encoder.integer(args.length);
  for (const arg of args) encodeArgument(encoder, arg);
}

function encodeArgument(encoder: Encoder, arg: Argument): void {
  encoder.integer(ARGUMENT_KIND[arg.kind]);
  encoder.number(arg.kind === "number" ? arg.value : 0);
  encoder.integer(arg.kind === "integer" || arg.kind === "address" ? arg.value : 0);
}

function encodeExpectation(encoder: Encoder, expectation: Expectation): void {
  const { name, address, values, width, floor, tolerance } = expectation;
  encoder.integer(EXPECTATION);
  encoder.text(name);
  encoder.integer(address);
  encoder.integer(values instanceof Float32Array ? ELEMENT_KIND.float : ELEMENT_KIND.integer);
  encoder.integer(width);
  encoder.number(floor);
  encoder.number(tolerance);
  encoder.array(bytesOf(values));
}

/** The bytes of a typed array. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
