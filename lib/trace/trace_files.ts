/** The files of a trace directory, as both its recorder and its reader see them. */
import { type ArrowRow, readArrowMetadata, readArrowRows } from "./arrow_stream.ts";
import { TRACE_TABLE_NAMES, TRACE_TABLES, TRACE_VERSION, type TraceTable } from "./schema.ts";
import { reasonOf, TraceError } from "./trace_error.ts";

const TABLE_KEY = "longlens.trace.table";
const VERSION_KEY = "longlens.trace.version";

/** Path of a table's file. */
export function traceFile(folder: string, table: TraceTable): string {
  return `${folder}/${table}.arrow`;
}

/** What the schema of a table's file says of itself. */
export function traceMetadata(table: TraceTable): Readonly<Record<string, string>> {
  return { [TABLE_KEY]: table, [VERSION_KEY]: String(TRACE_VERSION) };
}

/** Throws `RangeError` for names that are none of tables. */
export function checkTables(action: string, tables: readonly string[]): void {
  const wrong = tables.find((name) => !Object.hasOwn(TRACE_TABLES, name));
  if (wrong === undefined) return;
  throw new RangeError(
    `Cannot ${action} a trace as tables must be some of ${
      TRACE_TABLE_NAMES.join(", ")
    }: current value is ${wrong}`,
  );
}

/**
 * Rows of a table, up to the last whole batch; `null` where it has no file.
 *
 * @throws {TraceError} when the file cannot be read, is of a later version or no table of a trace
 */
export async function traceRows(
  folder: string,
  table: TraceTable,
  rows: "all" | "last",
): Promise<readonly ArrowRow[] | null> {
  const path = traceFile(folder, table);
  try {
    checkMetadata(path, table, await readArrowMetadata(path));
    return await readArrowRows(path, TRACE_TABLES[table], { metadata: traceMetadata(table), rows });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw asTraceError(error);
  }
}

/** The error, or one with its message and it as cause. */
export function asTraceError(error: unknown): TraceError {
  if (error instanceof TraceError) return error;
  return new TraceError(reasonOf(error), { cause: error });
}

/** A file without a whole schema is left to whoever reads its rows: it may be one that was only begun. */
function checkMetadata(
  path: string,
  table: TraceTable,
  metadata: ReadonlyMap<string, string> | null,
): void {
  if (metadata === null) return;
  const [found, version] = [metadata.get(TABLE_KEY), Number(metadata.get(VERSION_KEY))];
  if (found !== table || !(version >= 1)) {
    throw new TraceError(
      `Cannot use ${path} as it must be the table ${table} of a trace: current value is ${
        found ?? "another Arrow stream"
      }`,
    );
  }
  if (version <= TRACE_VERSION) return;
  throw new TraceError(
    `Cannot use ${path} as its schema version must be <= ${TRACE_VERSION}: current value is ` +
      `${version}, which a newer Longlens wrote`,
  );
}
