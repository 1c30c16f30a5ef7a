/** Tables that grow while a run goes on: an Arrow IPC stream file, appended batch by batch. */
import type * as Arrow from "apache-arrow";
import { ArrowFormat, columnsOf, rowsOf } from "./arrow_format.ts";
import type { ArrowField, ArrowRow } from "./arrow_format.ts";
import { findMessages, readSpan, type Span } from "./arrow_messages.ts";

export type { ArrowField, ArrowRow, ArrowType, ArrowValue } from "./arrow_format.ts";

/** Options of a stream file. */
export interface ArrowStreamOptions {
  /**
   * Stored in the schema of a new file.
   * @default {}
   */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Which of the rows that are there are read: all, or those of the last batch.
   * @default "all"
   */
  readonly rows?: "all" | "last";
}

/** What a file holds up to its last whole batch. */
interface Found {
  /** Its whole messages. */
  readonly spans: readonly Span[];
  /** Bytes of the file. */
  readonly size: number;
  readonly rows: readonly ArrowRow[];
}

/**
 * A stream file that is open for more rows. It is never closed by an end-of-stream mark, so that a later run can go
 * on; readers take the end of the file as the end of the stream.
 */
export class ArrowStream {
  /** Rows that were there when it was opened. */
  readonly earlier: readonly ArrowRow[];
  /** Bytes of a torn batch that were cut off when it was opened. */
  readonly droppedBytes: number;
  readonly #path: string;
  readonly #format: ArrowFormat;
  readonly #file: Deno.FsFile;
  /** Where the batch begins that this stream wrote last. */
  #last: number;
  #end: number;

  private constructor(path: string, format: ArrowFormat, file: Deno.FsFile, found: Found) {
    this.#path = path;
    this.#format = format;
    this.#file = file;
    this.#last = this.#end = found.spans.at(-1)?.end ?? 0;
    this.earlier = found.rows;
    this.droppedBytes = found.size - this.#end;
  }

  /**
   * Opens a file, or makes it. What a killed run left of its last batch is cut off. One stream at a time may have a
   * file open.
   *
   * @throws {TypeError} when the file is no such stream or has other columns; it is not touched
   * @throws {Error} when another stream has it open
   */
  static async open(
    path: string,
    fields: readonly ArrowField[],
    options: ArrowStreamOptions = {},
  ): Promise<ArrowStream> {
    const arrow = await import("apache-arrow");
    const format = new ArrowFormat(arrow, fields, options.metadata ?? {});
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      await lock(path, file);
      const found = await inspect(arrow, path, file, options, format);
      const stream = new ArrowStream(path, format, file, found);
      await file.truncate(stream.#end);
      if (stream.#end === 0) stream.#end = await stream.#write(0, format.head);
      return stream;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Writes rows as one batch. */
  async append(rows: readonly ArrowRow[]): Promise<void> {
    if (rows.length === 0) return;
    const end = await this.#write(this.#end, this.#format.encode(rows));
    [this.#last, this.#end] = [this.#end, end];
  }

  /** Writes rows in place of the batch that was appended last; there must be one. */
  async replaceLast(rows: readonly ArrowRow[]): Promise<void> {
    const old = await readSpan(this.#file, { start: this.#last, end: this.#end });
    const end = await this.#write(this.#last, this.#format.encode(rows), old);
    if (end < this.#end) await this.#file.truncate(end);
    this.#end = end;
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Returns where the bytes end; when they cannot be written, nothing of them stays, but `old` ones are put back. */
  async #write(start: number, bytes: Uint8Array, old?: Uint8Array): Promise<number> {
    try {
      await this.#put(start, bytes);
    } catch (error) {
      await this.#putBack(start, old).catch(() => {});
      throw error;
    }
    // A removed file takes whatever is written, and nobody will find it.
    if (this.#file.statSync().nlink !== 0) return start + bytes.length;
    throw new Deno.errors.NotFound(`Cannot write ${this.#path} as the file was removed`);
  }

  async #put(start: number, bytes: Uint8Array): Promise<void> {
    this.#file.seekSync(start, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += await this.#file.write(bytes.subarray(done));
  }

  /** The room of the old bytes is kept all the time: a full disk would not give it back. */
  async #putBack(start: number, old = new Uint8Array() as Uint8Array): Promise<void> {
    await this.#file.truncate(start + old.length);
    await this.#put(start, old);
  }
}

/**
 * Rows of a stream file up to its last whole batch.
 *
 * @throws {TypeError} when the file is no Arrow stream
 */
export async function readArrowStream(path: string): Promise<ArrowRow[]> {
  const arrow = await import("apache-arrow");
  using file = await Deno.open(path);
  return [...(await inspect(arrow, path, file, {})).rows];
}

/**
 * Rows of a stream file that `ArrowStream.open` would take, without touching it.
 *
 * @throws {TypeError} when the file is no such stream or has other columns
 */
export async function readArrowRows(
  path: string,
  fields: readonly ArrowField[],
  options: ArrowStreamOptions = {},
): Promise<readonly ArrowRow[]> {
  const arrow = await import("apache-arrow");
  const format = new ArrowFormat(arrow, fields, options.metadata ?? {});
  using file = await Deno.open(path);
  return (await inspect(arrow, path, file, options, format)).rows;
}

/** Metadata of a stream file's schema; `null` where the file has no whole schema. */
export async function readArrowMetadata(path: string): Promise<ReadonlyMap<string, string> | null> {
  const arrow = await import("apache-arrow");
  using file = await Deno.open(path);
  const [head] = await findMessages(arrow, file, 1);
  if (!head) return null;
  return arrow.tableFromIPC(await readSpan(file, head)).schema.metadata;
}

async function inspect(
  arrow: typeof Arrow,
  path: string,
  file: Deno.FsFile,
  { rows = "all" }: ArrowStreamOptions,
  format?: ArrowFormat,
): Promise<Found> {
  const spans = await findMessages(arrow, file);
  const { size } = await file.stat();
  const [head, ...batches] = spans;
  if (!head) {
    const begun = format && size < format.head.length &&
      startsWith(format.head, await readSpan(file, { start: 0, end: size }));
    if (begun) return { spans, size, rows: [] };
    throw foreign(path);
  }
  const wanted = rows === "all" ? batches : batches.slice(-1);
  const table = arrow.tableFromIPC(await readJoined(file, head, wanted));
  if (format) checkColumns(path, format, table.schema);
  return { spans, size, rows: rowsOf(arrow, table) };
}

/** The bytes of the head and of batches that follow each other. */
async function readJoined(
  file: Deno.FsFile,
  head: Span,
  batches: readonly Span[],
): Promise<Uint8Array> {
  const [start, end] = [batches[0]?.start ?? 0, batches.at(-1)?.end ?? 0];
  const bytes = new Uint8Array(head.end + end - start);
  bytes.set(await readSpan(file, head));
  bytes.set(await readSpan(file, { start, end }), head.end);
  return bytes;
}

async function lock(path: string, file: Deno.FsFile): Promise<void> {
  // A lock of Windows would keep readers out, too.
  if (Deno.build.os === "windows" || await file.tryLock(true)) return;
  throw new Error(`Cannot append to ${path} as it is being written already`);
}

function checkColumns(path: string, { columns }: ArrowFormat, schema: Arrow.Schema): void {
  const found = columnsOf(schema);
  if (found === columns) return;
  throw new TypeError(
    `Cannot use ${path} as its columns must be ${columns}: current value is ${found}`,
  );
}

/** Whether `part` is the beginning of `whole`. */
function startsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return part.length <= whole.length && part.every((byte, at) => byte === whole[at]);
}

function foreign(path: string): TypeError {
  return new TypeError(`Cannot read ${path} as it is no Arrow stream`);
}
