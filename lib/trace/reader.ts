import { filePath } from "./file_path.ts";
import { TRACE_TABLE_NAMES, type TraceRow, type TraceTable } from "./schema.ts";
import { TraceError } from "./trace_error.ts";
import { checkTables, traceRows } from "./trace_files.ts";

/** Options of {@link readTrace}. */
export interface ReadTraceOptions<Table extends TraceTable = TraceTable> {
  /**
   * Tables to read.
   * @default all of them
   */
  readonly tables?: readonly Table[];
}

/** Rows by table. */
export type TraceTables<Table extends TraceTable = TraceTable> = {
  readonly [Name in Table]: readonly TraceRow<Name>[];
};

/**
 * Reads what a session recorded with `session.trace.write(dir)`, also while it goes on: every table up to its last
 * whole batch. A table that was not recorded has no rows.
 *
 * @example
 * ```ts ignore
 * const { run, steps } = await readTrace("trace", { tables: ["run", "steps"] });
 * console.log(run[0].method, steps.map(({ text, entropy }) => [text, entropy]));
 * ```
 *
 * @throws {TraceError} when the directory holds no trace, a damaged one, or one of a later version
 * @throws {RangeError} for a table that does not exist
 */
export async function readTrace<Table extends TraceTable = TraceTable>(
  dir: string | URL,
  options: ReadTraceOptions<Table> = {},
): Promise<TraceTables<Table>> {
  const { tables = TRACE_TABLE_NAMES as readonly Table[] } = options;
  checkTables("read", tables);
  const folder = filePath(dir);
  if (await traceRows(folder, "run", "last") === null) {
    throw new TraceError(`Cannot read a trace as there is none in ${folder}`);
  }
  const entries = await Promise.all(
    tables.map(async (table) => [table, await traceRows(folder, table, "all") ?? []]),
  );
  return Object.fromEntries(entries);
}
