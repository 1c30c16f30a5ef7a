import { SessionFileError } from "../../../ffi/errors.ts";
import { fileBytes } from "../../../ffi/file_bytes.ts";
import { reasonOf, refusal } from "../../../ffi/refusal.ts";
import { loadZod } from "../../../ffi/schema.ts";
import {
  decodeHeader,
  type Header,
  headerLength,
  PREAMBLE_BYTES,
  SectionCursor,
} from "./container.ts";

/** Reads a file of named arrays piece by piece. Lengths were checked against the file; digests are, at each section's end. */
export class ContainerReader {
  /** Its header. */
  readonly header: Header;
  /** Bytes of all sections. */
  readonly dataBytes: number;
  /** Where the file is. */
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #cursors: ReadonlyMap<string, SectionCursor>;
  readonly #dataStart: number;
  #doneBytes = 0;

  private constructor(path: string, file: Deno.FsFile, header: Header, dataStart: number) {
    this.header = header;
    this.dataBytes = header.sections.reduce((sum, { bytes }) => sum + bytes, 0);
    this.path = path;
    this.#file = file;
    this.#cursors = new Map(
      header.sections.map((entry) => [entry.name, new SectionCursor(entry)]),
    );
    this.#dataStart = dataStart;
  }

  /**
   * Opens a file and checks its header.
   *
   * @throws {SessionFileError} when it cannot be read, is torn, or is of another kind or version
   */
  static async open(path: string): Promise<ContainerReader> {
    const z = await loadZod();
    const file = await openFile(path);
    try {
      const { size } = await file.stat();
      const preamble = await readAt(file, 0, Math.min(PREAMBLE_BYTES, size), path);
      const dataStart = PREAMBLE_BYTES + headerLength(preamble, size, path);
      const header = decodeHeader(z, await readAt(file, 0, dataStart, path), size, path);
      return new ContainerReader(path, file, header, dataStart);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes of sections that were read. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** The next bytes of a section, as many as `length`. */
  async read(name: string, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const cursor = this.#cursors.get(name)!;
    const bytes = await readAt(this.#file, this.#dataStart + cursor.offset, length, this.path);
    cursor.pass(bytes);
    this.#doneBytes += bytes.length;
    if (cursor.ended && cursor.digest() !== cursor.entry.sha256) {
      throw refusal(
        SessionFileError,
        `read ${this.path}`,
        `section ${name} must have its digest`,
        "another one",
      );
    }
    return bytes;
  }

  /** All of a section that nothing was read of. */
  readAll(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.read(name, this.#cursors.get(name)!.entry.bytes);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    // To open a pipe would wait for somebody who writes to it.
    const { isFile } = await Deno.stat(path);
    if (isFile) return await Deno.open(path);
  } catch (cause) {
    throw new SessionFileError(
      `Cannot open ${path} as reading failed: current value is ${reasonOf(cause)}`,
      { cause },
    );
  }
  throw refusal(SessionFileError, `read ${path}`, "it must be a file", "something else");
}

async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await fileBytes(file, offset, length);
  if (bytes.length === length) return bytes;
  const rule = `it must reach byte ${offset + length}`;
  throw refusal(SessionFileError, `read ${path}`, rule, bytes.length);
}
