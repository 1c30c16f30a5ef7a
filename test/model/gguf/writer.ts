/** Writes small GGUF files for tests. */

/** Numbers of value types in a file. */
export const ValueType = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** Name of a value type that is no array. */
export type Scalar = Exclude<keyof typeof ValueType, "array">;

/** A key-value pair: a value, or a list of values of the type. */
export interface Pair {
  readonly key: string;
  readonly type: Scalar;
  readonly value: unknown;
}

/** A tensor; `shape` is in the order of the file, that of consecutive elements first. */
export interface WrittenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly data: Uint8Array;
}

/** What a file is made of. */
export interface GgufContent {
  readonly pairs: readonly Pair[];
  readonly tensors?: readonly WrittenTensor[];
  readonly version?: number;
  readonly alignment?: number;
}

const utf8 = new TextEncoder();

/** The bytes of a file; `headerBytes` is where its descriptions end. */
export function writeGguf(
  { pairs, tensors = [], version = 3, alignment = 32 }: GgufContent,
): { bytes: Uint8Array<ArrayBuffer>; headerBytes: number } {
  const out = new Bytes();
  out.push(utf8.encode("GGUF"));
  out.scalar("u32", version);
  out.scalar("u64", tensors.length);
  out.scalar("u64", pairs.length);
  for (const { key, type, value } of pairs) {
    out.scalar("string", key);
    if (Array.isArray(value)) {
      out.scalar("u32", ValueType.array);
      out.scalar("u32", ValueType[type]);
      out.scalar("u64", value.length);
      for (const item of value) out.scalar(type, item);
    } else {
      out.scalar("u32", ValueType[type]);
      out.scalar(type, value);
    }
  }
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    out.scalar("string", name);
    out.scalar("u32", shape.length);
    for (const size of shape) out.scalar("u64", size);
    out.scalar("u32", type);
    out.scalar("u64", offset);
    offset = aligned(offset + data.length, alignment);
  }
  const headerBytes = out.length;
  for (const { data } of tensors) {
    out.pad(alignment);
    out.push(data);
  }
  return { bytes: out.all(), headerBytes };
}

class Bytes {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.length += bytes.length;
  }

  pad(alignment: number): void {
    this.push(new Uint8Array(aligned(this.length, alignment) - this.length));
  }

  scalar(type: Scalar, value: unknown): void {
    if (type === "string") {
      const bytes = utf8.encode(value as string);
      this.scalar("u64", bytes.length);
      this.push(bytes);
    } else {
      this.push(SCALARS[type](value as never));
    }
  }

  all(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

const SCALARS: Record<Exclude<Scalar, "string">, (value: number | boolean) => Uint8Array> = {
  u8: (value) => written(1, (view) => view.setUint8(0, Number(value))),
  i8: (value) => written(1, (view) => view.setInt8(0, Number(value))),
  u16: (value) => written(2, (view) => view.setUint16(0, Number(value), true)),
  i16: (value) => written(2, (view) => view.setInt16(0, Number(value), true)),
  u32: (value) => written(4, (view) => view.setUint32(0, Number(value), true)),
  i32: (value) => written(4, (view) => view.setInt32(0, Number(value), true)),
  f32: (value) => written(4, (view) => view.setFloat32(0, Number(value), true)),
  bool: (value) => written(1, (view) => view.setUint8(0, Number(value))),
  u64: (value) => written(8, (view) => view.setBigUint64(0, BigInt(value), true)),
  i64: (value) => written(8, (view) => view.setBigInt64(0, BigInt(value), true)),
  f64: (value) => written(8, (view) => view.setFloat64(0, Number(value), true)),
};

function written(length: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  write(new DataView(bytes.buffer));
  return bytes;
}

function aligned(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
