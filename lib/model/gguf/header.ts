/**
 * Headers of GGUF files, versions 2 and 3. Nothing a file says is believed before it was checked against the file's size.
 *
 * `"GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor descriptions | padding | data`. Offsets of tensors are
 * relative to the data, which begins at a multiple of the alignment.
 *
 * `@huggingface/gguf` is not used: it takes the bytes behind the end of a file for zeros, so that a torn file is read
 * without an error and 24 bytes can cost seconds and hundreds of megabytes; and it drops a byte order mark in front of a
 * token, which makes different tokens of Gemma's vocabulary the same.
 */
import { basename } from "node:path";
import { openModelFile } from "../open_file.ts";
import { showValue } from "../../../ffi/refusal.ts";
import { GgufCursor } from "./cursor.ts";
import { GgufMetadata, type GgufValue } from "./metadata.ts";
import { type TensorType, tensorTypes } from "./tensor_types.ts";
import { readValue } from "./values.ts";

/** A tensor of a GGUF file. */
export interface GgufTensor {
  /** Its name. */
  readonly name: string;
  /** How its elements are stored. */
  readonly type: TensorType;
  /** Dimensions, outermost first: the file has them the other way round. */
  readonly shape: readonly number[];
  /** First byte, from the start of the file. */
  readonly begin: number;
  /** Byte after the last, from the start of the file. */
  readonly end: number;
}

/** What the header of a GGUF file says. */
export interface GgufHeader {
  /** Key-value pairs. */
  readonly metadata: GgufMetadata;
  /** Tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

interface Described {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly offset: number;
}

const MAGIC = 0x46554747;
const START_BYTES = 24;
/** The largest vocabularies take some 20 MiB. */
const MAX_HEADER_BYTES = 2 ** 27;
const MAX_PAIRS = 2 ** 16;
const MAX_TENSORS = 2 ** 16;
const MAX_RANK = 4;
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 2 ** 20;

/** Reads and checks the header of the file at `path`. */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const name = basename(path);
  using file = await openModelFile(path, name);
  const { size } = await file.stat();
  return await parseGgufHeader(new GgufCursor(file, Math.min(size, MAX_HEADER_BYTES), name), {
    name,
    sizeBytes: size,
  });
}

/** Reads and checks the header that `cursor` stands at; `sizeBytes` is the size of the whole file. */
export async function parseGgufHeader(
  cursor: GgufCursor,
  { name, sizeBytes }: { readonly name: string; readonly sizeBytes: number },
): Promise<GgufHeader> {
  const { tensors: count, pairs } = await readStart(cursor);
  const metadata = new GgufMetadata(name, await readPairs(cursor, pairs));
  const described = await readDescriptions(cursor, count, sizeBytes);
  const alignment = readAlignment(metadata);
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment;
  return { metadata, tensors: placed(described, { dataStart, alignment, sizeBytes, cursor }) };
}

async function readStart(cursor: GgufCursor): Promise<{ tensors: number; pairs: number }> {
  await cursor.need(START_BYTES, "the start of a GGUF file");
  const magic = cursor.u32();
  if (magic !== MAGIC) throw cursor.wrong('the file must begin with "GGUF"', hex(magic));
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw cursor.wrong("the version must be 2 or 3, little-endian", version);
  }
  const tensors = cursor.u64(MAX_TENSORS, "the number of tensors");
  return { tensors, pairs: cursor.u64(MAX_PAIRS, "the number of key-value pairs") };
}

async function readPairs(cursor: GgufCursor, count: number): Promise<Map<string, GgufValue>> {
  const values = new Map<string, GgufValue>();
  for (let pair = 0; pair < count; pair++) {
    const key = await cursor.string("a key");
    if (values.has(key)) throw cursor.wrong("keys must be unique", key);
    values.set(key, await readValue(cursor, showValue(key)));
  }
  return values;
}

async function readDescriptions(
  cursor: GgufCursor,
  count: number,
  sizeBytes: number,
): Promise<Described[]> {
  const described: Described[] = [];
  for (let tensor = 0; tensor < count; tensor++) {
    described.push(await readDescription(cursor, sizeBytes));
  }
  return described;
}

async function readDescription(cursor: GgufCursor, sizeBytes: number): Promise<Described> {
  const name = await cursor.string("the name of a tensor");
  const label = showValue(name);
  const shape = await readShape(cursor, label);
  await cursor.need(12, `the type and offset of tensor ${label}`);
  const id = cursor.u32();
  const type = tensorTypes.get(id);
  if (type === undefined) throw cursor.wrong(`the type of tensor ${label} must be known`, id);
  const bytes = bytesOf(cursor, { label, type, shape, sizeBytes });
  return { name, type, shape, bytes, offset: cursor.u64(sizeBytes, `the offset of ${label}`) };
}

/** The file names the dimension of consecutive elements first. */
async function readShape(cursor: GgufCursor, label: string): Promise<number[]> {
  await cursor.need(4, `the rank of tensor ${label}`);
  const rank = cursor.u32();
  if (rank < 1 || rank > MAX_RANK) {
    throw cursor.wrong(`the rank of tensor ${label} must be from 1 to ${MAX_RANK}`, rank);
  }
  await cursor.need(8 * rank, `the shape of tensor ${label}`);
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) shape.unshift(cursor.u64(2 ** 40, `a dimension of ${label}`));
  return shape;
}

function bytesOf(
  cursor: GgufCursor,
  { label, type, shape, sizeBytes }: {
    readonly label: string;
    readonly type: TensorType;
    readonly shape: readonly number[];
    readonly sizeBytes: number;
  },
): number {
  if (shape.includes(0)) throw cursor.wrong(`tensor ${label} must have elements`, shape);
  if (shape.at(-1)! % type.blockElements !== 0) {
    throw cursor.wrong(`rows of ${label} must be blocks of ${type.blockElements}`, shape);
  }
  let bytes = type.blockBytes / type.blockElements;
  for (const size of shape) bytes *= size;
  if (bytes <= sizeBytes) return bytes;
  throw cursor.wrong(`tensor ${label} must fit into the ${sizeBytes} bytes of the file`, bytes);
}

function readAlignment(metadata: GgufMetadata): number {
  const alignment = metadata.count("general.alignment") ?? DEFAULT_ALIGNMENT;
  const isPower = Number.isInteger(Math.log2(alignment));
  if (isPower && alignment >= 8 && alignment <= MAX_ALIGNMENT) return alignment;
  throw metadata.wrong(
    `general.alignment must be a power of two from 8 to ${MAX_ALIGNMENT}`,
    alignment,
  );
}

/** Tensors must be aligned, lie within the file and not overlap. */
function placed(
  described: readonly Described[],
  { dataStart, alignment, sizeBytes, cursor }: {
    readonly dataStart: number;
    readonly alignment: number;
    readonly sizeBytes: number;
    readonly cursor: GgufCursor;
  },
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { name, type, shape, bytes, offset } of described) {
    const label = showValue(name);
    const begin = dataStart + offset;
    const end = begin + bytes;
    if (tensors.has(name)) throw cursor.wrong("names of tensors must be unique", name);
    if (offset % alignment !== 0) {
      throw cursor.wrong(`the offset of ${label} must be a multiple of ${alignment}`, offset);
    }
    if (end > sizeBytes) throw cursor.wrong(`tensor ${label} must end by byte ${sizeBytes}`, end);
    tensors.set(name, { name, type, shape, begin, end });
  }
  assertApart(tensors, cursor);
  return tensors;
}

function assertApart(tensors: ReadonlyMap<string, GgufTensor>, cursor: GgufCursor): void {
  let free = 0;
  for (const { name, begin, end } of [...tensors.values()].sort((a, b) => a.begin - b.begin)) {
    if (begin < free) {
      throw cursor.wrong(`tensor ${showValue(name)} must start at byte ${free} or on`, begin);
    }
    free = end;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
