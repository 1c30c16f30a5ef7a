import { assert, assertEquals } from "@std/assert";
import { exponents, needs, scaleTable } from "../../lib/cli/index_scale_tables.ts";
import type { IndexScaleRow } from "../../lib/eval/index_scaling.ts";

/** Recall .9 at `needed / 2` keys, 1 at `needed`, of an index over `keys`; all mass at once. */
function rowsOf(keys: number, layer: number, needed: number): IndexScaleRow[] {
  const place = { text: "t", source: "synthetic", layer, kvHead: 0, head: 0, keys } as const;
  const reached = { massShare: 1, massShare5: 1, foundShare: 0.5, foundShare5: 0.5 };
  return [0.5, 1].map((part) => ({
    ...{ ...place, ...reached, parameter: "graph", index: "graph", effort: `width=${part}` },
    ...{ recall: 0.8 + 0.2 * part, scanned: part * needed, searchMs: 1, buildMs: 1 },
  }));
}

const ROWS = [1000, 4000, 16000].flatMap((keys) => [
  ...rowsOf(keys, 0, 10 * Math.sqrt(keys)),
  ...rowsOf(keys, 1, 10 * Math.sqrt(keys)),
]);

Deno.test("needs() tells the share of keys for each goal, and where less may do or nothing does", () => {
  const lines = needs(ROWS).split("\n").filter((line) => line.includes(" 4000 "));
  assert(lines.some((line) => /recall 95 %\s+11\.9 %\s+11\.9 %\s+2\/2$/.test(line)), lines.join());
  assert(lines.some((line) => /mass 97 %\s+<= 7\.9 %\s+<= 7\.9 %\s+2\/2$/.test(line)));
  assert(lines.some((line) => /mass of found 97 %\s+-\s+-\s+0\/2$/.test(line)));
});

Deno.test("exponents() are those that rows were made by, of goals that say something", () => {
  const [, , ...lines] = exponents(ROWS).split("\n");
  assertEquals(lines.length, 1);
  assert(/^graph, recall 95 %\s+0\.50\s+0\.50\s+0\.50\s+2$/.test(lines[0]!), lines[0]);
  const recorded = ROWS.map((row) => ({ ...row, source: "recorded" as const }));
  assert(exponents(recorded).startsWith("No exponents"));
});

Deno.test("scaleTable() has a line for each set and effort, in the mean over heads", () => {
  const other = rowsOf(1000, 2, 100).map((row) => ({ ...row, recall: 0 }));
  const [, , ...lines] = scaleTable([...rowsOf(1000, 0, 300), ...other]).split("\n");
  assertEquals(lines.length, 2);
  assert(/width=1\s+20\.0 %\s+50\.0 %\s+0\.0 %/.test(lines[1]!), lines[1]);
});
