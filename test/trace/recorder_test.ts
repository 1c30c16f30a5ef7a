import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ArrowStream } from "../../lib/trace/arrow_stream.ts";
import { readTrace } from "../../lib/trace/reader.ts";
import { TraceRecorder } from "../../lib/trace/recorder.ts";
import { TRACE_TABLE_NAMES, TRACE_TABLES, TRACE_VERSION } from "../../lib/trace/schema.ts";
import type { TraceRow, TraceTable } from "../../lib/trace/schema.ts";
import { TraceError } from "../../lib/trace/trace_error.ts";
import { Clock } from "../clock.ts";
import { diskSlow } from "./disk.ts";
import { anyRow, someRows } from "./trace_arbitrary.ts";
import { arrowRows, arrowTable, plainRows, withFolder } from "./trace_folder.ts";

const START = someRows("run", 1)[0]!;

/** Writes one run, each list of rows as a batch of `table`. */
async function record<Table extends TraceTable>(
  folder: string,
  table: Table,
  ...batches: readonly (readonly TraceRow<Table>[])[]
): Promise<number> {
  await using recorder = await TraceRecorder.open(folder);
  const run = recorder.startRun(START);
  for (const rows of batches) {
    recorder.append(table, () => rows);
    await recorder.flush();
  }
  await recorder.endRun({ ended: "finished" });
  return run;
}

/** Bytes of every file of a folder. */
async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    found[name] = (await Deno.readFile(`${folder}/${name}`)).join();
  }
  return found;
}

for (const table of TRACE_TABLE_NAMES.filter((name) => name !== "run")) {
  Deno.test(`rows of ${table} come back as they were, from readTrace() and from Arrow`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyRow(table), { maxLength: 12 }), { maxLength: 3 }),
        (batches) =>
          withFolder(async (folder) => {
            await record(folder, table, ...batches);
            const rows = plainRows(batches.flat());
            assertEquals(await arrowRows(folder, table), rows);
            assertEquals(plainRows((await readTrace(folder))[table]), rows);
          }),
      ),
      { numRuns: 15, seed: 5 },
    ));
}

Deno.test("a file has the columns of its table, with types, nulls, docs and the version", () =>
  withFolder(async (folder) => {
    await record(folder, "steps");
    for (const table of TRACE_TABLE_NAMES) {
      const { schema } = await arrowTable(folder, table);
      const types = {
        utf8: "Utf8",
        int32: "Int32",
        float64: "Float64",
        "list<int32>": "List<Int32>",
      };
      assertEquals(
        schema.fields.map((f) => [f.name, `${f.type}`, f.nullable, f.metadata.get("doc")]),
        TRACE_TABLES[table].map((column) => {
          const nullable = "nullable" in column && column.nullable;
          return [column.name, types[column.type], nullable, column.doc];
        }),
      );
      assertEquals(schema.metadata.get("longlens.trace.table"), table);
      assertEquals(schema.metadata.get("longlens.trace.version"), `${TRACE_VERSION}`);
    }
  }));

Deno.test("the row of a run is there while it goes on, and one row when it has ended", () =>
  withFolder(async (folder) => {
    await using recorder = await TraceRecorder.open(folder);
    const open: TraceRow<"run"> = { ...START, run: 0, ended: null, ms: null };
    recorder.startRun(open);
    await recorder.flush();
    assertEquals(await arrowRows(folder, "run"), [open]);
    const ended = { ended: "cancelled", ms: 12.5, error: "a text longer than nothing".repeat(9) };
    await recorder.endRun(ended);
    assertEquals(await arrowRows(folder, "run"), [{ ...open, ...ended }]);
    assertEquals((await readTrace(folder)).run, [{ ...open, ...ended }]);
  }));

Deno.test("a directory with a trace is continued with the next run", () =>
  withFolder(async (folder) => {
    assertEquals(await record(folder, "timing"), 0);
    assertEquals(await record(folder, "timing"), 1);
    assertEquals((await readTrace(folder)).run.map(({ run }) => run), [0, 1]);
    const [row] = someRows("timing", 1);
    await record(folder, "timing", [{ ...row!, run: 2 }]);
    await Deno.truncate(`${folder}/run.arrow`, 3000);
    assertEquals(await record(folder, "timing"), 3);
  }));

Deno.test("a table cut at every byte of its last batch is read, and continued, up to the batch before", () =>
  withFolder(async (folder) => {
    const [first, second] = [someRows("retrieval", 5), someRows("retrieval", 1)];
    await record(folder, "retrieval", first);
    const path = `${folder}/retrieval.arrow`;
    const { size } = await Deno.stat(path);
    await record(folder, "retrieval", second);
    const whole = await Deno.readFile(path);
    for (let cut = size; cut < whole.length; cut++) {
      await Deno.writeFile(path, whole.subarray(0, cut));
      const { retrieval } = await readTrace(folder, { tables: ["retrieval"] });
      assertEquals(plainRows(retrieval), plainRows(first));
    }
    await record(folder, "retrieval", second);
    assertEquals(await arrowRows(folder, "retrieval"), plainRows([...first, ...second]));
    assertEquals(await Deno.readFile(path), whole);
  }));

Deno.test("a directory with a foreign file of a table's name is refused and untouched", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(folder);
    for (const table of TRACE_TABLE_NAMES) {
      const path = `${folder}/${table}.arrow`;
      const other = TRACE_TABLES[table === "heads" ? "steps" : "heads"];
      await Deno.writeTextFile(path, "What somebody wrote");
      await refused(folder, "no Arrow stream");
      await Deno.remove(path);
      for (const fields of [other, TRACE_TABLES[table]]) {
        (await ArrowStream.open(path, fields)).close();
        await refused(folder, `must be the table ${table} of a trace`);
        await Deno.remove(path);
      }
    }
  }));

async function refused(folder: string, reason: string): Promise<void> {
  const before = await contents(folder);
  await assertRejects(() => TraceRecorder.open(folder), TraceError, reason);
  assertEquals(await contents(folder), before);
}

Deno.test("a table of a later schema version is refused with both versions", () =>
  withFolder(async (folder) => {
    await record(folder, "steps");
    const path = `${folder}/plans.arrow`;
    await Deno.remove(path);
    const metadata = { "longlens.trace.table": "plans", "longlens.trace.version": "7" };
    const fields = [...TRACE_TABLES.plans, { name: "more", type: "bool" }] as const;
    (await ArrowStream.open(path, fields, { metadata })).close();
    const reason = `version must be <= ${TRACE_VERSION}: current value is 7`;
    await assertRejects(() => readTrace(folder), TraceError, reason);
    await refused(folder, reason);
    assertEquals((await readTrace(folder, { tables: ["run"] })).run.length, 1);
  }));

Deno.test("a directory that is being written is refused to a second recorder, not to readers", () =>
  withFolder(async (folder) => {
    const recorder = await TraceRecorder.open(folder);
    await refused(folder, "being written already");
    assertEquals((await readTrace(folder)).run, []);
    await recorder.close();
    await record(folder, "steps");
  }));

Deno.test("only the tables that were asked for are written, and run", () =>
  withFolder(async (folder) => {
    const recorder = await TraceRecorder.open(folder, { tables: ["heads"] });
    recorder.startRun(START);
    recorder.append("heads", () => someRows("heads", 2));
    recorder.append("steps", () => {
      throw new Error("nobody may ask for rows that are not written");
    });
    await recorder.endRun({});
    await recorder.close();
    assertEquals(Object.keys(await contents(folder)).sort(), ["heads.arrow", "run.arrow"]);
    const { heads, steps } = await readTrace(folder);
    assertEquals([heads.length, steps.length], [2, 0]);
    const wrong = { tables: ["head" as TraceTable] };
    await assertRejects(() => TraceRecorder.open(folder, wrong), RangeError, "value is head");
    await assertRejects(() => readTrace(folder, wrong), RangeError, "value is head");
  }));

Deno.test("settle() writes what waits after 1,024 rows or 250 ms, and not before", () =>
  withFolder(async (folder) => {
    await using recorder = await TraceRecorder.open(folder, { tables: ["timing"] });
    using clock = new Clock();
    const [row] = someRows("timing", 1);
    const rows = async (count: number) => {
      recorder.append("timing", () => Array<TraceRow<"timing">>(count).fill(row!));
      await recorder.settle();
      await recorder.settle();
      return (await readTrace(folder)).timing.length;
    };
    recorder.startRun(START);
    await recorder.flush();
    assertEquals(await rows(1023), 0);
    await rows(1);
    await recorder.flush();
    assertEquals(await rows(3), 1024);
    await clock.pass(250);
    assertEquals(await rows(0), 1024);
    await clock.pass(1);
    await rows(2);
    await recorder.flush();
    assertEquals(await rows(0), 1029);
  }));

Deno.test("close() waits for a batch that is being written", () =>
  withFolder(async (folder) => {
    const recorder = await TraceRecorder.open(folder);
    recorder.append("steps", () => someRows("steps", 3));
    using _slow = diskSlow({ ms: 50 });
    const writing = recorder.flush();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([recorder.close(), recorder.close()]);
    assertEquals((await arrowRows(folder, "steps")).length, 3);
    await writing;
  }));

Deno.test("rows that cannot be made end the recording with their error and harm nobody", () =>
  withFolder(async (folder) => {
    const recorder = await TraceRecorder.open(folder);
    recorder.startRun(START);
    recorder.append("steps", () => {
      throw new RangeError("no such layer");
    });
    assert(!recorder.recording);
    await recorder.endRun({ ended: "finished" });
    await assertRejects(() => recorder.flush(), TraceError, "no such layer");
    await assertRejects(() => recorder.close(), TraceError, "no such layer");
    assertEquals((await readTrace(folder)).run, []);
  }));

Deno.test("a value that its column cannot hold is refused", () =>
  withFolder(async (folder) => {
    const recorder = await TraceRecorder.open(folder);
    recorder.append("steps", () => [{ ...someRows("steps", 1)[0]!, token: null as never }]);
    await assertRejects(() => recorder.flush(), TraceError, "column token must hold a value");
    recorder[Symbol.dispose]();
  }));

Deno.test("readTrace() refuses a directory without a trace", () =>
  withFolder(async (folder) => {
    await assertRejects(() => readTrace(folder), TraceError, "there is none in");
    await Deno.mkdir(folder);
    await assertRejects(() => readTrace(folder), TraceError, "there is none in");
  }));

Deno.test("a file: URL names the directory, too", () =>
  withFolder(async (folder) => {
    const url = new URL(`file://${folder}`);
    await (await TraceRecorder.open(url)).close();
    assertEquals((await readTrace(url)).run, []);
    assertEquals(Object.keys(await contents(folder)).length, TRACE_TABLE_NAMES.length);
  }));
