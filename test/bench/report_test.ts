import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { casesOf } from "../../lib/bench/cases.ts";
import { PEERS } from "../../lib/bench/peers/peers.ts";
import { type BenchRow, parseResult } from "../../lib/bench/result.ts";
import { DEFAULT_SIZES, FULL_SIZES } from "../../lib/bench/sizes.ts";
import { readmeRows, readmeSection, STORED_RESULT, withTable } from "../../lib/bench/readme.ts";
import {
  ceilingLines,
  comparedRows,
  KERNEL_COLUMNS,
  peerColumnsFor,
  remarks,
  shareOfCeiling,
  shortName,
} from "../../lib/bench/report.ts";
import { rooflineOf } from "../../lib/bench/roofline_of.ts";
import { table } from "../../lib/cli/table.ts";
import { RESULT, ROW, SPARSE_ROW } from "./tiny.ts";
import { assertFormatted } from "./formatted.ts";

const BEST = {
  ...ROW.beside[0]!,
  name: "fast FlashRowAttention",
  dtype: "bf16",
  ratio: 0.625,
};
const BOTH: BenchRow = { ...ROW, beside: [...ROW.beside, BEST] };

Deno.test("the table has median, spread, rate, the ceiling that binds, and dense or the fastest peer with its type", () => {
  assertEquals(
    table([ROW, BOTH, SPARSE_ROW], KERNEL_COLUMNS),
    `
kernel and shape                                median  spread         rate  share of its ceiling  vs dense or best peer
---------------------------------------------  -------  ------  -----------  --------------------  ---------------------
dense prefill n=4K d=128 heads=4/1 bf16          10 ms   \u00b115 %  200 GFLOP/s   59 % avx2 f32 peak   3.20x other f32
dense prefill n=4K d=128 heads=4/1 bf16          10 ms   \u00b115 %  200 GFLOP/s   59 % avx2 f32 peak   0.63x fast FRA bf16
sparse decode n=16K d=128 heads=8/8 bf16 10 %  0.25 ms  \u00b14.0 %    8.00 GB/s   43 % read of 64 MB   8.00x dense (1.25)
`.trim(),
  );
});

Deno.test("the table of peers has every ratio with the type that the peer was given", () => {
  const rows = comparedRows([ROW, SPARSE_ROW, BOTH]);
  assertEquals(
    table(rows, peerColumnsFor(rows)),
    `
kernel and shape                          vs other  vs fast FRA
---------------------------------------  ---------  -----------
dense prefill n=4K d=128 heads=4/1 bf16  3.20x f32            -
dense prefill n=4K d=128 heads=4/1 bf16  3.20x f32   0.63x bf16
`.trim(),
  );
});

Deno.test("tables of both runs fit a terminal of 145 columns", () => {
  const peer = { ...BEST, name: "onnxruntime GroupQueryAttention", ratio: 12.3 };
  const beside = (share: number) => share < 1 ? [{ ...peer, name: "dense", ratio: 99.9 }] : [peer];
  const limit = { ...ROW.limit, name: "avx512 f32 peak" };
  const rows = [DEFAULT_SIZES, FULL_SIZES].flatMap(casesOf).map(
    ({ kernel, shape, share }): BenchRow => ({
      ...{ ...ROW, kernel, shape, share, limit, beside: beside(share) },
      ms: { ...ROW.ms, median: 0.123, low: 0.12, high: 0.15 },
    }),
  );
  const widest = Math.max(...table(rows, KERNEL_COLUMNS).split("\n").map((line) => line.length));
  assert(widest <= 145, `${widest}`);
});

Deno.test("shortName() is a program and the initials of its operation", () => {
  assertEquals(PEERS.map(({ name }) => shortName(name)), [
    "onnxruntime GQA",
    "onnxruntime MHA",
    "llama.cpp",
    "PyTorch",
  ]);
});

Deno.test("shareOfCeiling() is the time at the ceiling by the least time it took", () => {
  const limit = { ...ROW.limit, ms: 5 };
  assertEquals(shareOfCeiling({ ...ROW, limit, ms: { ...ROW.ms, least: 8 } }), 0.625);
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

Deno.test("remarks() counts many cases that were skipped for one reason, whatever its numbers", () => {
  const skipped = [1, 2, 3, 4].map((n) => ({
    name: `case ${n}`,
    reason: `it would take ${n}.5 s`,
  }));
  assertEquals(remarks({ ...RESULT, peers: [], rows: [], skipped }), [
    "Skipped 4 cases such as case 1: it would take 1.5 s (--json FILE lists them)",
  ]);
});

Deno.test("remarks() doubts runs on a busy machine and rows above their ceiling", () => {
  const above = { ...ROW, beside: [], limit: { ...ROW.limit, ms: 12 } };
  const busy = { ...RESULT, peers: [], skipped: [], rows: [above], loadBefore: 0.9 };
  assertEquals(remarks(busy), [
    "Not to be trusted: the load by other programs was 0.9 on 2 cores before the run",
    "Not to be trusted: 1 of 1 rows are above their ceiling, so something slowed it",
  ]);
});

Deno.test("ceilingLines() tells peaks and reading of one thread and of all", () => {
  assertEquals(ceilingLines(RESULT), [
    "Peaks in GFLOP/s, 1 thread: portable 50, avx2 210",
    "Reading in GB/s by working set, 1 thread: 64 KB 60, 512 KB 60, 64 MB 26",
    "Peaks in GFLOP/s, 2 threads: portable 100, avx2 400",
    "Reading in GB/s by working set, 2 threads: 64 KB 100, 512 KB 99, 64 MB 33",
    "A call that computes next to nothing: 0.0123 ms",
  ]);
  const { ceilings } = RESULT;
  assertEquals(
    ceilingLines({ ...RESULT, ceilings: { ...ceilings!, emptyCallMs: null } }).length,
    4,
  );
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

Deno.test("readmeRows() leaves out f32 and keeps, of each kind, the longest context", () => {
  const f32 = { ...ROW, dtype: "f32" } as const;
  const int8 = { ...ROW, tokens: 1024, dtype: "int8" } as const;
  assertEquals(readmeRows([...RESULT.rows, f32, int8]), [ROW, SPARSE_ROW, int8]);
});

Deno.test("withTable() writes the table between the marks, and again in place of the first", () => {
  const text = "# A\n\n<!-- bench:start -->\nold\n<!-- bench:end -->\n\nB\n";
  const once = withTable(text, RESULT);
  assertStringIncludes(once, "# A\n\n<!-- bench:start -->\n\n| kernel and shape ");
  assertStringIncludes(once, "avx2 on 2 threads");
  assertStringIncludes(once, "Beside it: other 1.2.\n\nHow many times faster");
  assertStringIncludes(once, "|  vs other |");
  assertStringIncludes(once, " |\n\n<!-- bench:end -->\n\nB\n");
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
  await assertFormatted(readmeSection(RESULT));
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
