/** Directories of traces, read without Longlens. */
import { inFolder } from "../in_folder.ts";
import * as arrow from "apache-arrow";
import type { TraceTable } from "../../lib/trace/schema.ts";

/** A row as Arrow gives it, lists as arrays. */
export type PlainRow = Record<string, unknown>;

/** Runs `body` with a directory that is not there. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  await inFolder((parent) => body(`${parent}/trace`));
}

/** What apache-arrow finds in a table's file. */
export async function arrowTable(folder: string, table: TraceTable): Promise<arrow.Table> {
  return arrow.tableFromIPC(await Deno.readFile(`${folder}/${table}.arrow`));
}

/** The rows of a table's file, read with apache-arrow, cell by cell. */
export async function arrowRows(folder: string, table: TraceTable): Promise<PlainRow[]> {
  const found = await arrowTable(folder, table);
  return Array.from({ length: found.numRows }, (_, row) =>
    Object.fromEntries(
      found.schema.names.map((name) => [name, plain(found.getChild(`${String(name)}`)!.get(row))]),
    ));
}

/** Rows with their lists as arrays, to compare with those of {@link arrowRows}. */
export function plainRows(rows: readonly object[]): PlainRow[] {
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]))
  );
}

function plain(value: unknown): unknown {
  if (value instanceof Int32Array) return [...value];
  return value instanceof arrow.Vector ? [...value] : value;
}
