/** Values of key-value pairs in a GGUF header. */
import type { GgufCursor } from "./cursor.ts";
import type { GgufNumbers, GgufValue } from "./metadata.ts";

interface NumberType {
  readonly bytes: number;
  /** Numbers of little-endian `bytes`; the bytes are the array's own. */
  array(bytes: ArrayBuffer): GgufNumbers;
}

const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
const MAX_ELEMENTS = 2 ** 22;

const NUMBERS: ReadonlyMap<number, NumberType> = new Map<number, NumberType>([
  [0, { bytes: 1, array: (bytes) => new Uint8Array(bytes) }],
  [1, { bytes: 1, array: (bytes) => new Int8Array(bytes) }],
  [2, { bytes: 2, array: (bytes) => new Uint16Array(bytes) }],
  [3, { bytes: 2, array: (bytes) => new Int16Array(bytes) }],
  [4, { bytes: 4, array: (bytes) => new Uint32Array(bytes) }],
  [5, { bytes: 4, array: (bytes) => new Int32Array(bytes) }],
  [6, { bytes: 4, array: (bytes) => new Float32Array(bytes) }],
  [BOOL, { bytes: 1, array: (bytes) => new Uint8Array(bytes) }],
  [10, { bytes: 8, array: (bytes) => new BigUint64Array(bytes) }],
  [11, { bytes: 8, array: (bytes) => new BigInt64Array(bytes) }],
  [12, { bytes: 8, array: (bytes) => new Float64Array(bytes) }],
]);

/** Reads the type and value that follow the key that errors call `label`. */
export async function readValue(cursor: GgufCursor, label: string): Promise<GgufValue> {
  await cursor.need(4, `the type of ${label}`);
  const type = cursor.u32();
  if (type === STRING) return await cursor.string(label);
  if (type === ARRAY) return await readArray(cursor, label);
  const value = (await readNumbers(cursor, type, 1, label))[0]!;
  return type === BOOL ? value !== 0 : value;
}

async function readArray(cursor: GgufCursor, label: string): Promise<GgufValue> {
  await cursor.need(12, `the array ${label}`);
  const type = cursor.u32();
  const count = cursor.u64(MAX_ELEMENTS, `the length of ${label}`);
  return type === STRING
    ? await readStrings(cursor, count, label)
    : await readNumbers(cursor, type, count, label);
}

async function readStrings(cursor: GgufCursor, count: number, label: string): Promise<string[]> {
  if (8 * count > cursor.left) {
    throw cursor.wrong(`${count} texts of ${label} must fit`, cursor.left);
  }
  const texts: string[] = [];
  for (let x = 0; x < count; x++) texts.push(await cursor.string(label));
  return texts;
}

async function readNumbers(
  cursor: GgufCursor,
  type: number,
  count: number,
  label: string,
): Promise<GgufNumbers> {
  const numbers = NUMBERS.get(type);
  if (numbers === undefined) {
    throw cursor.wrong(`the type of ${label} must be that of a number, a text or a list`, type);
  }
  const bytes = numbers.bytes * count;
  await cursor.need(bytes, label);
  return numbers.array(cursor.take(bytes).slice().buffer);
}
