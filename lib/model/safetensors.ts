/**
 * Headers of safetensors files. Nothing a file says is believed before it was checked against the file's size.
 *
 * `u64 n | n bytes of JSON | data`; the JSON maps names to `{dtype, shape, data_offsets: [begin, end]}`, offsets relative
 * to the data. The tensors must cover the data without holes or overlaps.
 */
import { basename, join } from "node:path";
import { ModelFormatError } from "../../ffi/errors.ts";
import { fileBytes } from "../../ffi/file_bytes.ts";
import { isObject, parsePlainJson } from "./json_text.ts";
import { exists, readJsonFile } from "./json_file.ts";
import { openModelFile } from "./open_file.ts";
import { reasonOf, refusal, showValue } from "../../ffi/refusal.ts";

/** A tensor of a safetensors file. */
export interface TensorEntry {
  /** Element type as written in the file, for example `BF16`. */
  readonly dtype: string;
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
  /** First byte, from the start of the file. */
  readonly begin: number;
  /** Byte after the last, from the start of the file. */
  readonly end: number;
}

/** What the header of a safetensors file says. */
export interface SafetensorsHeader {
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The `__metadata__` of the file. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tensor and the file it is in. */
export interface StoredTensor extends TensorEntry {
  /** Path of the file. */
  readonly path: string;
}

const MAX_HEADER_BYTES = 100_000_000;
const MAX_DEPTH = 3;
const MAX_RANK = 16;
const LENGTH_BYTES = 8;

const BITS: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["U8", 8],
  ["I8", 8],
  ["F8_E5M2", 8],
  ["F8_E4M3", 8],
  ["F8_E8M0", 8],
  ["I16", 16],
  ["U16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["I32", 32],
  ["U32", 32],
  ["F32", 32],
  ["I64", 64],
  ["U64", 64],
  ["F64", 64],
  ["C64", 64],
]);

/** All tensors of a model folder: of `model.safetensors`, or of the files its index names. */
export async function readCheckpoint(folder: string): Promise<Map<string, StoredTensor>> {
  const single = join(folder, "model.safetensors");
  if (await exists(single)) return withPath(single, await readSafetensorsHeader(single));
  const index = join(folder, "model.safetensors.index.json");
  if (await exists(index)) return await readShards(folder, index);
  throw new ModelFormatError(
    `Cannot load weights as the folder must hold model.safetensors or its index: current value is ${folder}`,
  );
}

/** Reads and checks the header of the file at `path`. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const name = basename(path);
  using file = await openModelFile(path, name);
  const { size } = await file.stat();
  const length = headerLength(await fileBytes(file, 0, Math.min(LENGTH_BYTES, size)), size, name);
  return parseSafetensorsHeader(await fileBytes(file, LENGTH_BYTES, length), size, name);
}

/** Reads the length of a header from the first 8 bytes of a file of `sizeBytes` bytes. */
export function headerLength(bytes: Uint8Array, sizeBytes: number, name: string): number {
  if (bytes.length < LENGTH_BYTES) {
    throw wrong(name, "the file must have 8 bytes or more", bytes.length);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, sizeBytes - LENGTH_BYTES);
  if (length < 2n || length > BigInt(limit)) {
    throw wrong(name, `the header length must be from 2 to ${limit} bytes`, length);
  }
  return Number(length);
}

/** Checks the JSON of a header; `sizeBytes` is the size of the whole file. */
export function parseSafetensorsHeader(
  header: Uint8Array,
  sizeBytes: number,
  name: string,
): SafetensorsHeader {
  const json = parseJson(header, name);
  const dataStart = LENGTH_BYTES + header.length;
  const tensors = new Map<string, TensorEntry>();
  let metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(json)) {
    if (key === "__metadata__") metadata = readMetadata(value, name);
    else tensors.set(key, readEntry(value, dataStart, `${name}, tensor ${showValue(key)}`));
  }
  assertCovers(tensors, dataStart, sizeBytes, name);
  return { tensors, metadata };
}

function parseJson(header: Uint8Array, name: string): Record<string, unknown> {
  const first = header[0];
  if (first !== 0x7b) throw wrong(name, "the header must start with {", first);
  try {
    return parsePlainJson(header, MAX_DEPTH) as Record<string, unknown>;
  } catch (cause) {
    throw new ModelFormatError(
      `Cannot read ${name} as its header is not valid JSON: current value is ${
        showValue(reasonOf(cause))
      }`,
      { cause },
    );
  }
}

function readMetadata(value: unknown, name: string): Map<string, string> {
  if (!isObject(value)) throw wrong(name, "__metadata__ must be an object", value);
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw wrong(name, "__metadata__ must hold strings", text);
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(value: unknown, dataStart: number, where: string): TensorEntry {
  if (!isObject(value)) throw wrong(where, "an entry must be an object", value);
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = BITS.get(dtype as string);
  if (bits === undefined) throw wrong(where, "the dtype must be a known one", dtype);
  if (!isSizes(shape) || shape.length > MAX_RANK) {
    throw wrong(where, `the shape must be up to ${MAX_RANK} counts`, shape);
  }
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw wrong(where, "data_offsets must be two rising counts", offsets);
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product, size) => product * size, 1) * bits / 8;
  if (end - begin !== expected) {
    throw wrong(where, `${dtype} [${shape}] must have ${expected} bytes`, end - begin);
  }
  return { dtype: dtype as string, shape, begin: dataStart + begin, end: dataStart + end };
}

/** Tensors in order of their bytes must follow each other from the first byte of the data to the last of the file. */
function assertCovers(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  sizeBytes: number,
  name: string,
): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let next = dataStart;
  for (const [key, { begin, end }] of ordered) {
    const where = `${name}, tensor ${showValue(key)}`;
    if (begin !== next) throw wrong(where, `the data must start at byte ${next}`, begin);
    if (end > sizeBytes) throw wrong(where, `the data must end by byte ${sizeBytes}`, end);
    next = end;
  }
  if (next !== sizeBytes) throw wrong(name, `the data must end at byte ${sizeBytes}`, next);
}

/** Names of the files that the index at path `index` names: files of its own folder, each once. */
export async function shardNames(index: string): Promise<string[]> {
  return [...new Set((await readWeightMap(index)).values())];
}

async function readWeightMap(index: string): Promise<Map<string, string>> {
  const json = await readJsonFile(index, { maxBytes: MAX_HEADER_BYTES });
  const map = isObject(json) ? json["weight_map"] : json;
  const where = basename(index);
  if (!isObject(map)) throw wrong(where, "weight_map must be an object", map);
  const files = new Map<string, string>();
  for (const [key, file] of Object.entries(map)) {
    assertPlainName(file, where, key);
    files.set(key, file);
  }
  return files;
}

async function readShards(folder: string, index: string): Promise<Map<string, StoredTensor>> {
  const where = basename(index);
  const files = new Map<string, Map<string, StoredTensor>>();
  const tensors = new Map<string, StoredTensor>();
  for (const [key, file] of await readWeightMap(index)) {
    const path = join(folder, file);
    if (!files.has(file)) files.set(file, withPath(path, await readSafetensorsHeader(path)));
    const tensor = files.get(file)!.get(key);
    if (tensor === undefined) {
      throw wrong(where, `${file} must hold tensor ${showValue(key)}`, undefined);
    }
    tensors.set(key, tensor);
  }
  return tensors;
}

function assertPlainName(file: unknown, where: string, key: string): asserts file is string {
  if (typeof file === "string" && /^[\w-][\w.-]*\.safetensors$/.test(file)) return;
  const rule = `tensor ${showValue(key)} must be in a plain .safetensors file of the folder`;
  throw wrong(where, rule, file);
}

function withPath(path: string, header: SafetensorsHeader): Map<string, StoredTensor> {
  return new Map([...header.tensors].map(([name, entry]) => [name, { ...entry, path }]));
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function wrong(where: string, rule: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, `read ${where}`, rule, value);
}
