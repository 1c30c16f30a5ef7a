/** Rows to the bytes of Arrow IPC messages and back. */
import type * as Arrow from "apache-arrow";

/** Type of a column. */
export type ArrowType = "utf8" | "int32" | "float64" | "bool" | "list<int32>";

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
  /** What it holds, in a line; stored with the column. */
  readonly doc?: string;
}

/** A value of a column. */
export type ArrowValue = string | number | boolean | Int32Array | null;

/** A row: a value for every column. */
export type ArrowRow = Readonly<Record<string, ArrowValue>>;

/** Length of the mark that ends a stream. */
const END_MARK_BYTES = 8;

/** How rows of given columns are encoded. */
export class ArrowFormat {
  /** Names and types of the columns, to compare with others and to print. */
  readonly columns: string;
  /** Message that begins a stream. */
  readonly head: Uint8Array;
  readonly #arrow: typeof Arrow;
  readonly #fields: readonly ArrowField[];
  readonly #schema: Arrow.Schema;

  /** Columns, and `metadata` of the whole schema. */
  constructor(
    arrow: typeof Arrow,
    fields: readonly ArrowField[],
    metadata: Readonly<Record<string, string>>,
  ) {
    this.#arrow = arrow;
    this.#fields = fields;
    this.#schema = schemaOf(arrow, fields, metadata);
    this.columns = columnsOf(this.#schema);
    this.head = arrow.tableToIPC(new arrow.Table(this.#schema), "stream").slice(0, -END_MARK_BYTES);
  }

  /** The message of a batch of rows. */
  encode(rows: readonly ArrowRow[]): Uint8Array {
    const arrow = this.#arrow;
    const children = this.#fields.map((field) =>
      dataOf(arrow, field, rows.map((row) => row[field.name] ?? null))
    );
    const type = new arrow.Struct(this.#schema.fields);
    const data = arrow.makeData({ type, length: rows.length, nullCount: 0, children });
    const batch = new arrow.RecordBatch(this.#schema, data);
    const bytes = arrow.tableToIPC(new arrow.Table(this.#schema, [batch]), "stream");
    return bytes.subarray(this.head.length, -END_MARK_BYTES);
  }
}

/** Names and types of columns. */
export function columnsOf({ fields }: Arrow.Schema): string {
  return fields.map(({ name, type, nullable }) => `${name}: ${type}${nullable ? "?" : ""}`)
    .join(", ");
}

/** The rows of a table. */
export function rowsOf(arrow: typeof Arrow, table: Arrow.Table): ArrowRow[] {
  const rows = Array.from({ length: table.numRows }, (): Record<string, ArrowValue> => ({}));
  for (const { name } of table.schema.fields) {
    let row = 0;
    for (const value of table.getChild(name)!) {
      rows[row++]![name] = value instanceof arrow.Vector ? Int32Array.from(value) : value;
    }
  }
  return rows;
}

function schemaOf(
  arrow: typeof Arrow,
  fields: readonly ArrowField[],
  metadata: Readonly<Record<string, string>>,
): Arrow.Schema {
  const columns = fields.map(({ name, type, nullable = false, doc }) => {
    const about = new Map(doc === undefined ? [] : [["doc", doc]]);
    return new arrow.Field(name, typeOf(arrow, type), nullable, about);
  });
  return new arrow.Schema(columns, new Map(Object.entries(metadata)));
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
    case "list<int32>":
      return new arrow.List(new arrow.Field("item", new arrow.Int32(), false));
  }
}

function dataOf(
  arrow: typeof Arrow,
  field: ArrowField,
  values: readonly ArrowValue[],
): Arrow.Data {
  const type = typeOf(arrow, field.type);
  return arrow.makeData({
    type,
    length: values.length,
    ...validity(field, values),
    ...buffersOf(arrow, field.type, values),
  }) as Arrow.Data;
}

function validity({ name, nullable = false }: ArrowField, values: readonly ArrowValue[]) {
  const nullCount = values.filter((value) => value === null).length;
  if (nullCount === 0) return { nullCount };
  if (nullable) return { nullCount, nullBitmap: bits(values.map((value) => value !== null)) };
  throw new TypeError(`Cannot write a row as column ${name} must hold a value: it is null`);
}

function buffersOf(arrow: typeof Arrow, type: ArrowType, values: readonly ArrowValue[]) {
  switch (type) {
    case "utf8":
      return textBuffers(values as readonly (string | null)[]);
    case "int32":
      return { data: Int32Array.from(values as readonly number[]) };
    case "float64":
      return { data: Float64Array.from(values as readonly number[]) };
    case "bool":
      return { data: bits(values as readonly boolean[]) };
    case "list<int32>":
      return listBuffers(arrow, values as readonly (Int32Array | null)[]);
  }
}

function textBuffers(values: readonly (string | null)[]) {
  const encoder = new TextEncoder();
  const parts = values.map((value) => encoder.encode(value ?? ""));
  return joined(parts, (length) => new Uint8Array(length));
}

function listBuffers(arrow: typeof Arrow, values: readonly (Int32Array | null)[]) {
  const parts = values.map((value) => value ?? new Int32Array(0));
  const { valueOffsets, data } = joined(parts, (length) => new Int32Array(length));
  const length = data.length;
  const child = arrow.makeData({ type: new arrow.Int32(), length, nullCount: 0, data });
  return { valueOffsets, child };
}

/** Parts of several lengths behind each other, and where each begins. */
function joined<Part extends Uint8Array | Int32Array>(
  parts: readonly Part[],
  make: (length: number) => Part,
): { valueOffsets: Int32Array; data: Part } {
  const valueOffsets = new Int32Array(parts.length + 1);
  parts.forEach((part, x) => valueOffsets[x + 1] = valueOffsets[x]! + part.length);
  const data = make(valueOffsets.at(-1)!);
  parts.forEach((part, x) => data.set(part, valueOffsets[x]!));
  return { valueOffsets, data };
}

/** A bit for each value, the lowest first. */
function bits(values: readonly (boolean | null)[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, x) => {
    if (value) bytes[x >> 3]! |= 1 << (x & 7);
  });
  return bytes;
}
