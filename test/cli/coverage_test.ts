import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readCoverage } from "../../lib/eval/coverage_row.ts";
import { inFolder } from "../in_folder.ts";
import { runCli } from "./run_cli.ts";

const run = (...args: string[]) => runCli("coverage", ...args);

Deno.test("deno task coverage prints a line for each method and writes a row for each head", () =>
  inFolder(async (folder) => {
    const text = Array.from({ length: 400 }, (_, x) => `Sentence ${x % 83} has ${x} parts.`);
    await Deno.writeTextFile(`${folder}/a.txt`, text.join(" "));
    const out = `${folder}/coverage.arrow`;
    const options = ["--length", "512", "--chunk", "256", "--threads", "1", "--out", out];
    const methods = ["--methods", "adaptive,blockSparse:topK=2:forced=true,blockSparse:topK=3"];
    const result = await run("--text", `${folder}/a.txt`, ...options, ...methods);
    assertEquals(result.code, 0, result.error);
    const lines = result.out.split("\n");
    assertStringIncludes(lines[0]!, "mass kept");
    for (const [line, name] of [[2, "adaptive "], [3, "blockSparse block:64,topK:2,forced:true"]]) {
      assert(lines[line as number]!.startsWith(name as string), result.out);
    }
    const rows = await readCoverage(out);
    assertEquals(rows.length, 3 * 6 * 4);
    const topK = rows.map(({ methodOptions }) => JSON.parse(methodOptions).topK ?? null);
    assertEquals(new Set(topK), new Set([null, 2, 3]));
    assertEquals(new Set(rows.map(({ text }) => text)), new Set(["a.txt"]));
  }));

Deno.test("deno task coverage refuses options that make no sense", async () => {
  const cases: [args: string[], message: string][] = [
    [[], "Cannot cover a text without --text FILE"],
    [["--text", import.meta.filename!, "--length", "x"], "--length must be a whole number >= 1"],
    [["--text", import.meta.filename!, "--length", "1000000"], "must have 1000000 tokens"],
    [["--text", import.meta.filename!, "--methods", "luck"], "methods must be of dense, streaming"],
  ];
  const ends = await Promise.all(cases.map(([args]) => run(...args)));
  ends.forEach(({ code, error }, i) => {
    assert(code !== 0);
    assertStringIncludes(error, cases[i]![1]);
  });
});
