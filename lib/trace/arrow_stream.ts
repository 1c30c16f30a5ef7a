/** Tables that grow while a run goes on: an Arrow IPC stream file, appended batch by batch. */
import type * as Arrow from "apache-arrow";

/** Type of a column. */
export type ArrowType = "utf8" | "int32" | "float64" | "bool";

/** A column. */
export interface ArrowField {
  /** Its name. */
  readonly name: string;
  /** Its type. */
  readonly type: ArrowType;
  /**
   * Whether it may hold `null`.
   * @default false
   */
  readonly nullable?: boolean;
}

/** A row: a value for every column. */
export type ArrowRow = Readonly<Record<string, string | number | boolean | null>>;

/** What a file holds up to its last whole batch. */
interface Found {
  /** Bytes up to there; nothing after them counts. */
  readonly whole: number;
  readonly bytes: Uint8Array;
}

/** First bytes of every message of a stream. */
const CONTINUATION = -1;

/**
 * A stream file that is open for more rows. It is never closed by an end-of-stream mark, so that a later run can go
 * on; readers take the end of the file as the end of the stream.
 */
export class ArrowStream {
  /** Rows that were there when it was opened. */
  readonly earlier: readonly ArrowRow[];
  /** Bytes of a torn batch that were cut off when it was opened. */
  readonly droppedBytes: number;
  readonly #arrow: typeof Arrow;
  readonly #schema: Arrow.Schema;
  readonly #file: Deno.FsFile;

  private constructor(
    arrow: typeof Arrow,
    schema: Arrow.Schema,
    file: Deno.FsFile,
    earlier: readonly ArrowRow[],
    droppedBytes: number,
  ) {
    this.#arrow = arrow;
    this.#schema = schema;
    this.#file = file;
    this.earlier = earlier;
    this.droppedBytes = droppedBytes;
  }

  /**
   * Opens a file, or makes it. What a killed run left of its last batch is cut off.
   *
   * @throws {TypeError} when the file is no such stream or has other columns; it is not touched
   */
  static async open(path: string, fields: readonly ArrowField[]): Promise<ArrowStream> {
    const arrow = await import("apache-arrow");
    const schema = schemaOf(arrow, fields);
    const head = encode(arrow, schema, []).head;
    const { bytes, whole } = await find(arrow, path);
    if (whole === 0 && !startsWith(head, bytes)) throw foreign(path);
    const rows = whole === 0 ? [] : rowsOf(arrow, path, bytes.subarray(0, whole), schema);
    const file = await Deno.open(path, { read: true, write: true, create: true });
    await file.truncate(whole);
    await file.seek(0, Deno.SeekMode.End);
    if (whole === 0) await writeAll(file, head);
    return new ArrowStream(arrow, schema, file, rows, bytes.length - whole);
  }

  /** Writes rows as one batch. */
  async append(rows: readonly ArrowRow[]): Promise<void> {
    if (rows.length === 0) return;
    await writeAll(this.#file, encode(this.#arrow, this.#schema, rows).batches);
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Rows of a stream file up to its last whole batch.
 *
 * @throws {TypeError} when the file is no Arrow stream
 */
export async function readArrowStream(path: string): Promise<ArrowRow[]> {
  const arrow = await import("apache-arrow");
  await Deno.stat(path);
  const { bytes, whole } = await find(arrow, path);
  if (whole === 0) throw foreign(path);
  return rowsOf(arrow, path, bytes.subarray(0, whole));
}

function schemaOf(arrow: typeof Arrow, fields: readonly ArrowField[]): Arrow.Schema {
  return new arrow.Schema(
    fields.map(({ name, type, nullable = false }) =>
      new arrow.Field(name, typeOf(arrow, type), nullable)
    ),
  );
}

function typeOf(arrow: typeof Arrow, type: ArrowType): Arrow.DataType {
  switch (type) {
    case "utf8":
      return new arrow.Utf8();
    case "int32":
      return new arrow.Int32();
    case "float64":
      return new arrow.Float64();
    case "bool":
      return new arrow.Bool();
  }
}

/** The schema's message, and that of the rows. */
function encode(
  arrow: typeof Arrow,
  schema: Arrow.Schema,
  rows: readonly ArrowRow[],
): { head: Uint8Array; batches: Uint8Array } {
  const bytes = arrow.tableToIPC(tableOf(arrow, schema, rows), "stream");
  const ends = messageEnds(arrow, bytes);
  return { head: bytes.subarray(0, ends[0]), batches: bytes.subarray(ends[0], ends.at(-1)) };
}

function tableOf(
  arrow: typeof Arrow,
  schema: Arrow.Schema,
  rows: readonly ArrowRow[],
): Arrow.Table {
  if (rows.length === 0) return new arrow.Table(schema);
  const columns: Record<string, Arrow.Vector> = {};
  for (const { name, type } of schema.fields) {
    columns[name] = arrow.vectorFromArray(rows.map((row) => row[name] ?? null), type);
  }
  return new arrow.Table(schema, columns);
}

async function find(arrow: typeof Arrow, path: string): Promise<Found> {
  const bytes = await readOrNothing(path);
  return { bytes, whole: messageEnds(arrow, bytes).at(-1) ?? 0 };
}

async function readOrNothing(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

/** Where each message ends that is whole; stops at an end-of-stream mark. */
function messageEnds(arrow: typeof Arrow, bytes: Uint8Array): number[] {
  const ends: number[] = [];
  for (let start = 0;;) {
    const end = messageEnd(arrow, bytes, start);
    if (end === null) return ends;
    ends.push(end);
    start = end;
  }
}

/** A message is `-1, length of its description, description, body`; the description knows the body's length. */
function messageEnd(arrow: typeof Arrow, bytes: Uint8Array, start: number): number | null {
  if (start + 8 > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getInt32(start + 4, true);
  const body = start + 8 + length;
  if (view.getInt32(start, true) !== CONTINUATION || length <= 0 || body > bytes.length) {
    return null;
  }
  try {
    const message = arrow.Message.decode(bytes.subarray(start + 8, body));
    if (message.isSchema() !== (start === 0)) return null;
    const end = body + message.bodyLength;
    return end <= bytes.length && end >= body ? end : null;
  } catch {
    return null;
  }
}

function rowsOf(
  arrow: typeof Arrow,
  path: string,
  bytes: Uint8Array,
  expected?: Arrow.Schema,
): ArrowRow[] {
  const table = arrow.tableFromIPC(bytes);
  const [found, wanted] = [describe(table.schema), expected ? describe(expected) : null];
  if (wanted !== null && found !== wanted) {
    throw new TypeError(
      `Cannot append to ${path} as its columns must be ${wanted}: current value is ${found}`,
    );
  }
  return table.toArray().map((row) => row!.toJSON() as ArrowRow);
}

function describe({ fields }: Arrow.Schema): string {
  return fields.map(({ name, type, nullable }) => `${name}: ${type}${nullable ? "?" : ""}`)
    .join(", ");
}

/** Whether `part` is the beginning of `whole`. */
function startsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return part.length <= whole.length && part.every((byte, at) => byte === whole[at]);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

function foreign(path: string): TypeError {
  return new TypeError(`Cannot read ${path} as it is no Arrow stream`);
}
