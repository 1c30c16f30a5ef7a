/** Traces as Python sees them; skipped where there is no Python with pyarrow (`LONGLENS_PYTHON` names one). */
import { assertEquals } from "@std/assert";
import { TraceRecorder } from "../../lib/trace/recorder.ts";
import { TRACE_TABLE_NAMES, TRACE_TABLES } from "../../lib/trace/schema.ts";
import { someRows } from "./trace_arbitrary.ts";
import { type PlainRow, plainRows, withFolder } from "./trace_folder.ts";

interface PythonTable {
  readonly types: Readonly<Record<string, string>>;
  readonly docs: Readonly<Record<string, string>>;
  readonly rows: readonly PlainRow[];
}

const TYPES = {
  utf8: "string",
  int32: "int32",
  float64: "double",
  "list<int32>": "list<item: int32 not null>",
};

const python = Deno.env.get("LONGLENS_PYTHON") ?? "python3";

async function run(...args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(python, { args }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const ignore = await run("-c", "import pyarrow.ipc") === null;
if (ignore) console.log(`skipped: ${python} has no pyarrow`);

Deno.test({
  name: "pyarrow reads the rows, types and docs of every table, while the trace is being written",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await using recorder = await TraceRecorder.open(folder);
      const start = someRows("run", 1)[0]!;
      recorder.startRun(start);
      const written = new Map(TRACE_TABLE_NAMES.map((table) => [table, someRows(table, 7)]));
      for (const [table, rows] of written) {
        if (table === "run") continue;
        recorder.append(table, () => rows.slice(0, 4));
        await recorder.flush();
        recorder.append(table, () => rows.slice(4));
      }
      await recorder.flush();
      const script = new URL("read_with_pyarrow.py", import.meta.url).pathname;
      const tables: Record<string, PythonTable> = JSON.parse(await run(script, folder) ?? "null");
      for (const [table, rows] of written) {
        const columns = TRACE_TABLES[table];
        const of = <Value>(value: (column: typeof columns[number]) => Value) =>
          Object.fromEntries(columns.map((column) => [column.name, value(column)]));
        const found = tables[table]!;
        assertEquals(found.types, of(({ type }) => TYPES[type]));
        assertEquals(found.docs, of(({ doc }) => doc));
        assertEquals(found.rows, plainRows(table === "run" ? [{ ...start, run: 0 }] : rows));
      }
    }),
});
