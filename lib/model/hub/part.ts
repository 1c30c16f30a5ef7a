/** A file on its way: hashed as it comes, continued where it was left, and kept only if it is what was announced. */
import { createHash, type Hash } from "node:crypto";
import { removeIfThere } from "./cache.ts";
import { type Asked, downloadError } from "./errors.ts";
import type { HubFile } from "./remote.ts";

const READ_BYTES = 1 << 20;

/** The bytes of a file that have come so far. */
export class Part {
  readonly #path: string;
  readonly #file: HubFile;
  readonly #asked: Asked;
  readonly #disk: Deno.FsFile;
  #hash: Hash;
  #filled = 0;

  private constructor(path: string, file: HubFile, asked: Asked, disk: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
    this.#asked = asked;
    this.#disk = disk;
    this.#hash = startHash(file);
  }

  /** Opens the part at `path`, with what an earlier download left there. */
  static async open(path: string, file: HubFile, asked: Asked): Promise<Part> {
    const disk = await Deno.open(path, { create: true, read: true, write: true });
    const part = new Part(path, file, asked, disk);
    try {
      const { size } = await disk.stat();
      if (size > file.sizeBytes) await part.restart();
      else await part.#readOn(size);
      return part;
    } catch (error) {
      part.close();
      throw error;
    }
  }

  /** Bytes that have come. */
  get filled(): number {
    return this.#filled;
  }

  /** Whether all bytes have come. */
  get isFull(): boolean {
    return this.#filled === this.#file.sizeBytes;
  }

  /** Begins anew. */
  async restart(): Promise<void> {
    await this.#disk.truncate(0);
    await this.#disk.seek(0, Deno.SeekMode.Start);
    this.#hash = startHash(this.#file);
    this.#filled = 0;
  }

  /** Adds what has come. */
  async append(bytes: Uint8Array): Promise<void> {
    const { sizeBytes } = this.#file;
    if (this.#filled + bytes.length > sizeBytes) {
      throw await this.#refuse(`must have ${sizeBytes} bytes`, "more");
    }
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.length;) done += await this.#write(bytes.subarray(done));
    this.#filled += bytes.length;
  }

  /** Checks the whole file and moves it to `path`. */
  async keep(path: string): Promise<void> {
    const { etag } = this.#file;
    const found = this.#hash.digest("hex");
    if (found !== etag) throw await this.#refuse(`must have the checksum ${etag}`, found);
    await this.#disk.syncData();
    await Deno.rename(this.#path, path);
  }

  /** Closes the file; what has come stays. */
  close(): void {
    this.#disk.close();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #readOn(end: number): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    while (this.#filled < end) {
      const count = await this.#disk.read(buffer.subarray(0, end - this.#filled));
      if (count === null) return;
      this.#hash.update(buffer.subarray(0, count));
      this.#filled += count;
    }
  }

  async #write(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#disk.write(bytes);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOSPC") throw error;
      const rule = `the disk must have room for ${this.#file.name}`;
      const value = `full after ${this.#filled} of ${this.#file.sizeBytes} bytes, which stay`;
      throw downloadError("no-space", this.#asked, rule, value, error);
    }
  }

  async #refuse(rule: string, value: string): Promise<Error> {
    await removeIfThere(this.#path);
    const name = this.#file.name;
    return downloadError("checksum", this.#asked, `${name} ${rule}`, `${value}; it was removed`);
  }
}

/** Large files are named by their SHA-256, others by their git object, which is a SHA-1 of a header and the bytes. */
function startHash({ etag, sizeBytes }: HubFile): Hash {
  if (etag.length === 64) return createHash("sha256");
  return createHash("sha1").update(`blob ${sizeBytes}\0`);
}
