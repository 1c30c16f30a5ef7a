import {
  encodeHeader,
  placeSections,
  SectionCursor,
  type SectionEntry,
  type SectionShape,
} from "./container.ts";

/** Writes a file of named arrays piece by piece. The file is valid once `finish` has ended. */
export class ContainerWriter {
  /** Bytes of all sections. */
  readonly dataBytes: number;
  readonly #file: Deno.FsFile;
  readonly #content: unknown;
  readonly #cursors: ReadonlyMap<string, SectionCursor>;
  readonly #dataStart: number;
  #doneBytes = 0;

  /** Into an empty file; each of `sections` must be written to its end. */
  constructor(file: Deno.FsFile, content: unknown, sections: readonly SectionShape[]) {
    const placed = placeSections(sections);
    this.dataBytes = placed.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#file = file;
    this.#content = content;
    this.#cursors = new Map(placed.map((entry) => [entry.name, new SectionCursor(entry)]));
    this.#dataStart = this.#header(placed).length;
  }

  /** Bytes of sections that were written. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Appends to a section. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const cursor = this.#cursors.get(name)!;
    await this.#writeAt(this.#dataStart + cursor.offset, bytes);
    cursor.pass(bytes);
    this.#doneBytes += bytes.length;
  }

  /** Writes the digests; returns the size of the file. */
  async finish(): Promise<number> {
    const digested = Array.from(
      this.#cursors.values(),
      (cursor) => ({ ...cursor.entry, sha256: cursor.digest() }),
    );
    await this.#writeAt(0, this.#header(digested));
    return this.#dataStart + this.dataBytes;
  }

  #header(sections: readonly SectionEntry[]): Uint8Array {
    return encodeHeader({ content: this.#content, sections });
  }

  async #writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += await this.#file.write(bytes.subarray(done));
  }
}
