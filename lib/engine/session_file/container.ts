/**
 * One file of named arrays, little-endian:
 *
 *     magic [8] | version u32 | n u32 | SHA-256 of these 16 bytes and the header | header [n] | data
 *
 * The header is JSON, `{ content, sections: [{ name, dtype, shape, offset, bytes, sha256 }] }`. Sections follow each
 * other without holes from the first byte of the data to the last of the file, so that every byte is under a digest.
 */
import { createHash, type Hash } from "node:crypto";
import type { ZodType } from "zod";
import { SessionFileError } from "../../../ffi/errors.ts";
import { parsePlainJson } from "../../model/json_text.ts";
import { reasonOf, refusal } from "../../../ffi/refusal.ts";
import { parseWith, type Zod } from "../../../ffi/schema.ts";

/** Element types of sections. */
export type SectionDType = "u8" | "i32" | "f32" | "bf16";

/** An array that a file holds. */
export interface SectionShape {
  /** Its name. */
  readonly name: string;
  /** Element type. */
  readonly dtype: SectionDType;
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
}

/** An array in a file. */
export interface SectionEntry extends SectionShape {
  /** First byte, from the start of the data. */
  readonly offset: number;
  /** Size in bytes. */
  readonly bytes: number;
  /** Digest of its bytes, hexadecimal. */
  readonly sha256: string;
}

/** The JSON of a file. */
export interface Header {
  /** What whoever wrote the file wants to know of it. */
  readonly content?: unknown;
  /** Its arrays. */
  readonly sections: readonly SectionEntry[];
}

/** Bytes before the header. */
export const PREAMBLE_BYTES = 48;
/** Version of the format. */
export const VERSION = 1;

// As PNG's: a byte above 127, both kinds of line end and an end-of-file mark show what a text transfer did.
const MAGIC = [0x89, 0x4c, 0x4c, 0x53, 0x0d, 0x0a, 0x1a, 0x0a];
const DIGEST_START = 16;
const MAX_HEADER_BYTES = 16 * 2 ** 20;
const MAX_DEPTH = 16;
const NO_DIGEST = "0".repeat(64);
const BYTES: Readonly<Record<SectionDType, number>> = { u8: 1, i32: 4, f32: 4, bf16: 2 };

/** Sections one after the other, not digested yet. */
export function placeSections(shapes: readonly SectionShape[]): SectionEntry[] {
  let offset = 0;
  return shapes.map(({ name, dtype, shape }) => {
    const bytes = bytesOf(dtype, shape);
    offset += bytes;
    return { name, dtype, shape, offset: offset - bytes, bytes, sha256: NO_DIGEST };
  });
}

/**
 * Everything before the data. Its length does not depend on the digests.
 *
 * @throws {RangeError} when it is longer than readers take
 */
export function encodeHeader(header: Header): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  if (json.length > MAX_HEADER_BYTES) {
    throw new RangeError(
      `Cannot write a header as it must have at most ${MAX_HEADER_BYTES} bytes: current value is ${json.length}`,
    );
  }
  const bytes = new Uint8Array(PREAMBLE_BYTES + json.length);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(8, VERSION, true);
  new DataView(bytes.buffer).setUint32(12, json.length, true);
  bytes.set(json, PREAMBLE_BYTES);
  bytes.set(digestOf(bytes), DIGEST_START);
  return bytes;
}

/** Bytes of the header that follows `preamble` in a file of `sizeBytes` bytes. */
export function headerLength(preamble: Uint8Array, sizeBytes: number, file: string): number {
  const whole = preamble.length === PREAMBLE_BYTES;
  if (!whole || MAGIC.some((byte, at) => preamble[at] !== byte)) {
    throw wrong(file, "the file must be a saved session", "another kind of file");
  }
  const view = new DataView(preamble.buffer, preamble.byteOffset);
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw wrong(file, `the version must be ${VERSION}`, version);
  const length = view.getUint32(12, true);
  const limit = Math.min(MAX_HEADER_BYTES, sizeBytes - PREAMBLE_BYTES);
  if (length <= limit) return length;
  throw wrong(file, `the header must have at most ${limit} bytes`, length);
}

/** The checked header of a file of `sizeBytes` bytes that starts with `bytes`. */
export function decodeHeader(
  z: Zod,
  bytes: Uint8Array,
  sizeBytes: number,
  file: string,
): Header {
  const digest = digestOf(bytes);
  if (digest.some((byte, at) => byte !== bytes[DIGEST_START + at])) {
    throw wrong(file, "the header must have its digest", "another one");
  }
  const json = parseJson(bytes.subarray(PREAMBLE_BYTES), file);
  const header = parseWith(headerSchema(z), json, file, SessionFileError);
  assertCovers(header.sections, sizeBytes - bytes.length, file);
  return header;
}

/** Where a section is written or read next, and the digest so far. */
export class SectionCursor {
  /** The section. */
  readonly entry: SectionEntry;
  readonly #hash: Hash = createHash("sha256");
  #done = 0;

  /** At the start of a section. */
  constructor(entry: SectionEntry) {
    this.entry = entry;
  }

  /** Next byte, from the start of the data. */
  get offset(): number {
    return this.entry.offset + this.#done;
  }

  /** Whether all of it has passed. */
  get ended(): boolean {
    return this.#done === this.entry.bytes;
  }

  /** Goes over the bytes at `offset`. */
  pass(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#done += bytes.length;
  }

  /** Digest of what has passed; the cursor cannot be used after. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

function bytesOf(dtype: SectionDType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, BYTES[dtype]);
}

function digestOf(bytes: Uint8Array): Uint8Array {
  const covered = [bytes.subarray(0, DIGEST_START), bytes.subarray(PREAMBLE_BYTES)];
  const hash = createHash("sha256");
  for (const part of covered) hash.update(part);
  return hash.digest();
}

function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return parsePlainJson(bytes, MAX_DEPTH);
  } catch (cause) {
    throw wrong(file, "the header must be plain JSON", reasonOf(cause));
  }
}

function headerSchema(z: Zod): ZodType<Header> {
  const count = z.int().min(0);
  const section = z.strictObject({
    name: z.string().min(1).max(100),
    dtype: z.enum(["u8", "i32", "f32", "bf16"]),
    shape: z.array(count).max(8),
    offset: count,
    bytes: count,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  });
  return z.strictObject({ content: z.unknown(), sections: z.array(section).max(2 ** 16) });
}

function assertCovers(
  sections: readonly SectionEntry[],
  dataBytes: number,
  file: string,
): void {
  let next = 0;
  for (const { name, dtype, shape, offset, bytes } of sections) {
    const expected = bytesOf(dtype, shape);
    if (bytes !== expected) throw wrong(file, `section ${name} must have ${expected} bytes`, bytes);
    if (offset !== next) throw wrong(file, `section ${name} must start at byte ${next}`, offset);
    next += bytes;
  }
  if (next !== dataBytes) throw wrong(file, `the data must have ${next} bytes`, dataBytes);
}

function wrong(file: string, rule: string, value: unknown): SessionFileError {
  return refusal(SessionFileError, `read ${file}`, rule, value);
}
