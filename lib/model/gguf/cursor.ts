/**
 * Reads a GGUF header piece by piece, so that what a file claims costs memory only as far as the file has the bytes for it.
 *
 * `await need(count)` makes bytes available or refuses; the calls that take numbers off are plain, because a header holds
 * hundreds of thousands of them.
 */
import { ModelFormatError } from "../../../ffi/errors.ts";
import { fileBytes } from "../../../ffi/file_bytes.ts";
import { refusal } from "../../../ffi/refusal.ts";

/** Where a file's bytes come from. */
export type ByteSource = Pick<Deno.FsFile, "read" | "seek">;

const WINDOW_BYTES = 2 ** 20;
const MAX_STRING_BYTES = 2 ** 24;

/** A position in the header of a file. */
export class GgufCursor {
  readonly #file: ByteSource;
  readonly #end: number;
  readonly #name: string;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  #windowStart = 0;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  #view = new DataView(new ArrayBuffer(0));
  #at = 0;

  /** At the start of `file`, called `name` in errors, of which nothing behind byte `end` is read. */
  constructor(file: ByteSource, end: number, name: string) {
    this.#file = file;
    this.#end = end;
    this.#name = name;
  }

  /** Bytes that were taken. */
  get offset(): number {
    return this.#windowStart + this.#at;
  }

  /** Bytes behind the position. */
  get left(): number {
    return this.#end - this.offset;
  }

  /** Whether `count` bytes can be taken without waiting. */
  has(count: number): boolean {
    return this.#bytes.length - this.#at >= count;
  }

  /** Waits for `count` bytes; what the file does not have is refused before anything is allocated. */
  async need(count: number, what: string): Promise<void> {
    if (this.has(count)) return;
    if (count > this.left) throw this.wrong(`${what} needs ${count} bytes more`, this.left);
    await this.#fill(Math.min(this.left, Math.max(count, WINDOW_BYTES)));
    if (!this.has(count)) throw this.wrong("the file must keep its size", this.#bytes.length);
  }

  /** Takes bytes that {@link need} has waited for. */
  take(count: number): Uint8Array<ArrayBuffer> {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Takes an unsigned integer of 32 bits. */
  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** Takes an unsigned integer of 64 bits that is at most `max`. */
  u64(max: number, what: string): number {
    const value = this.#view.getBigUint64(this.#at, true);
    if (value > BigInt(max)) throw this.wrong(`${what} must be at most ${max}`, value);
    this.#at += 8;
    return Number(value);
  }

  /** Takes a string: its length in 8 bytes, then UTF-8. */
  async string(what: string): Promise<string> {
    if (!this.has(8)) await this.need(8, what);
    const length = this.u64(Math.min(MAX_STRING_BYTES, this.left - 8), `the length of ${what}`);
    if (!this.has(length)) await this.need(length, what);
    return this.#utf8.decode(this.take(length));
  }

  /** The error for a file that breaks `rule`. */
  wrong(rule: string, value: unknown): ModelFormatError {
    return refusal(ModelFormatError, `read ${this.#name} at byte ${this.offset}`, rule, value);
  }

  async #fill(count: number): Promise<void> {
    const start = this.offset;
    this.#bytes = await fileBytes(this.#file, start, count);
    this.#view = new DataView(this.#bytes.buffer, 0, this.#bytes.length);
    this.#windowStart = start;
    this.#at = 0;
  }
}
