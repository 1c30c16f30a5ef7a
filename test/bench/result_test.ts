import { assertEquals, assertRejects } from "@std/assert";
import { BENCH_FIELDS, tableRows } from "../../lib/bench/bench_table.ts";
import { parseResult, resultText } from "../../lib/bench/result.ts";
import { ArrowStream, readArrowStream } from "../../lib/trace/arrow_stream.ts";
import { RESULT, ROW, SPARSE_ROW } from "./tiny.ts";

Deno.test("a result is read as it was written, also one that was stopped early", async () => {
  assertEquals(await parseResult(resultText(RESULT), "a.json"), RESULT);
  const stopped = { ...RESULT, ceilings: null, rows: [], finished: false };
  assertEquals(await parseResult(resultText(stopped), "a.json"), stopped);
});

Deno.test("parseResult() names the file and the first field that is wrong", async () => {
  const cases: [text: string, message: string][] = [
    ["{", "Cannot read a.json as it is no JSON"],
    ["[]", "Cannot read a.json as its content is not valid"],
    [resultText({ ...RESULT, version: 2 as 1 }), "as version is not valid"],
    [resultText({ ...RESULT, rows: [{ ...ROW, flops: -1 }] }), "as rows.0.flops is not valid"],
    [resultText({ ...RESULT, startedAt: "today" }), "as startedAt is not valid"],
    [JSON.stringify({ ...RESULT, more: 1 }), "as its content is not valid"],
  ];
  for (const [text, message] of cases) {
    await assertRejects(() => parseResult(text, "a.json"), TypeError, message);
  }
});

Deno.test("tableRows() gives a row for ours and one for each thing beside it, which Arrow keeps", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/bench.arrow`;
    const rows = [ROW, SPARSE_ROW].flatMap((row) => tableRows(row, RESULT.startedAt));
    const stream = await ArrowStream.open(file, BENCH_FIELDS);
    await stream.append(rows);
    stream.close();
    const read = await readArrowStream(file);
    assertEquals(read.map((row) => ({ ...row })), rows.map((row) => ({ ...row })));
    assertEquals(
      rows.map(({ program }) => program),
      ["longlens", "other", "absent", "longlens"].concat("dense"),
    );
    assertEquals(rows.map(({ medianMs }) => medianMs), [10, 32, null, 0.25, 2]);
    assertEquals(rows.map(({ timesFaster }) => timesFaster), [null, 3.2, null, null, 8]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
