import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readmeRows, readmeSection, STORED_RESULT, withTable } from "../../lib/bench/readme.ts";
import { ceilingLines, columnsFor, remarks, shareOfCeiling } from "../../lib/bench/report.ts";
import { parseResult } from "../../lib/bench/result.ts";
import { rooflineOf } from "../../lib/bench/roofline_of.ts";
import { table } from "../../lib/cli/table.ts";
import { RESULT, ROW, SPARSE_ROW } from "./tiny.ts";

Deno.test("the table has median, spread, rate, share of the ceiling and the ratio to each peer", () => {
  assertEquals(
    table([ROW, SPARSE_ROW], columnsFor([ROW, SPARSE_ROW])),
    `
kernel         shape                             median  spread    n         rate  of ceiling  ceiling           vs other      vs dense
-------------  -------------------------------  -------  ------  ---  -----------  ----------  -------------  -----------  ------------
dense prefill  n=4K d=128 heads=4/1 bf16          10 ms   \u00b115 %    7  200 GFLOP/s        50 %  avx2 f32 peak  3.20x (f32)
sparse decode  n=16K d=128 heads=8/8 bf16 10 %  0.25 ms  \u00b14.0 %  900    8.00 GB/s        40 %  read of 64 MB               8.00x (1.25)
`.trim(),
  );
});

Deno.test("shareOfCeiling() is the time at the ceiling by the time it took", () => {
  assertEquals(shareOfCeiling(ROW), 0.5);
});

Deno.test("remarks() tells versions, what is missing or was skipped, and why, each once", () => {
  assertEquals(remarks({ ...RESULT, finished: false }), [
    "Compared with other 1.2",
    "Not there: gone: there is no such program",
    "other, measured: queries f32 (2 of 3 rows)",
    "absent, not measured: it has no bf16 (2 of 3 rows)",
    "Skipped: dense decode n=128K: it would take 9 GB of memory",
    "The run was stopped before its end",
  ]);
});

Deno.test("remarks() counts many cases that were skipped for one reason", () => {
  const skipped = [1, 2, 3, 4].map((n) => ({ name: `case ${n}`, reason: "no time" }));
  assertEquals(remarks({ ...RESULT, peers: [], rows: [], skipped }), [
    "Skipped 4 cases: no time (--json FILE lists them)",
  ]);
});

Deno.test("remarks() doubts runs on a busy machine and rows above their ceiling", () => {
  const above = { ...ROW, beside: [], limit: { ...ROW.limit, ms: 12 } };
  const busy = { ...RESULT, peers: [], skipped: [], rows: [above], loadBefore: 0.9 };
  assertEquals(remarks(busy), [
    "Not to be trusted: other programs kept 0.9 of 2 cores busy before the run",
    "Not to be trusted: 1 of 1 rows are above their ceiling, so something slowed it",
  ]);
});

Deno.test("ceilingLines() tells peaks and reading of one thread and of all", () => {
  assertEquals(ceilingLines(RESULT), [
    "Peaks in GFLOP/s, 1 thread: portable 50, avx2 210",
    "Reading in GB/s by working set, 1 thread: 64 KB 60, 512 KB 60, 64 MB 26",
    "Peaks in GFLOP/s, 2 threads: portable 100, avx2 400",
    "Reading in GB/s by working set, 2 threads: 64 KB 100, 512 KB 99, 64 MB 33",
  ]);
  assertEquals(ceilingLines({ ...RESULT, ceilings: null }), []);
});

Deno.test("rooflineOf() puts each row at its intensity, below the ceilings of its threads", () => {
  const { points, reads, peaks } = rooflineOf(RESULT)!;
  assertEquals(points[0], {
    series: "dense prefill",
    name: "n=4K d=128 heads=4/1 bf16",
    intensity: 200,
    gflops: 200,
    ceiling: 400,
  });
  assertEquals(reads.map(({ name }) => name), ["read of 64 MB", "read of 512 KB"]);
  assertEquals(peaks, [{ name: "avx2 f32 peak", gflops: 400 }]);
  assertEquals(rooflineOf({ ...RESULT, rows: [] }), null);
});

Deno.test("readmeRows() keeps bf16 and, of each kind, the longest context", () => {
  const f32 = { ...ROW, dtype: "f32" } as const;
  assertEquals(readmeRows([...RESULT.rows, f32]), [ROW, SPARSE_ROW]);
});

Deno.test("withTable() writes the table between the marks, and again in place of the first", () => {
  const text = "# A\n\n<!-- bench:start -->\nold\n<!-- bench:end -->\n\nB\n";
  const once = withTable(text, RESULT);
  assertStringIncludes(once, "# A\n\n<!-- bench:start -->\n\n| kernel ");
  assertStringIncludes(once, "avx2 on 2 threads");
  assertStringIncludes(once, "Beside it: other 1.2.\n\n<!-- bench:end -->\n\nB\n");
  assertEquals(once.includes("old"), false);
  assertEquals(withTable(once, RESULT), once);
});

Deno.test("withTable() refuses a text without its marks, with two of them, or in the wrong order", () => {
  const [start, end] = ["<!-- bench:start -->", "<!-- bench:end -->"];
  for (
    const text of ["", start, end, `${end}${start}`, `${start}${start}${end}`, start + end + end]
  ) {
    assertThrows(() => withTable(text, RESULT), TypeError, "must each stand there once");
  }
});

Deno.test("readmeSection() is written as deno fmt writes it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/table.md`;
    const text = `${readmeSection(RESULT)}\n`;
    await Deno.writeTextFile(file, text);
    const args = ["fmt", "--line-width", "100", file];
    await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    assertEquals(await Deno.readTextFile(file), text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const stored = await Deno.readTextFile(STORED_RESULT).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
  console.log(`Skips README's table as there is no ${STORED_RESULT.pathname}`);
  return null;
});

Deno.test({
  name: "README's table is that of the stored result",
  ignore: stored === null,
  fn: async () => {
    const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
    assertEquals(withTable(readme, await parseResult(stored!, "result.json")), readme);
  },
});
