/** Every command of `lib/cli` dies of wrong arguments with one line. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import denoJson from "../../deno.json" with { type: "json" };
import { inFolder } from "../in_folder.ts";
import { runCli } from "./run_cli.ts";

const TEXT = ["--text", import.meta.filename!];

/** What each command refuses beside options that it does not have; none of them takes `luck`. */
const REFUSED: Readonly<Record<string, readonly [args: readonly string[], message: string][]>> = {
  build: [[["luck"], "Unexpected argument 'luck'"]],
  "build:cuda": [[["luck"], "targets must be of sm_80"]],
  doctor: [[["luck"], "Unexpected argument 'luck'"]],
  haystack: [[["--bytes", "many"], "--bytes must be a whole number >= 0"]],
  score: [[[...TEXT, "--window", "0"], "--window must be a whole number >= 1"]],
  demo: [
    [["--tokens", "many"], "--tokens must be a whole number >= 0"],
    [["--question", "Why?"], "Cannot ask --question without --file"],
    [["--seed"], "Option '--seed <value>' argument missing"],
  ],
  eval: [
    [["--methods", "luck"], "methods must be of dense, streaming"],
    [["--tasks", "luck"], "--tasks must be of"],
    [["--lengths", "many"], "--lengths must be"],
  ],
  coverage: [
    [[], "Cannot cover a text without --text FILE"],
    [[...TEXT, "--methods", "luck"], "methods must be of dense, streaming"],
    [["--text", "/none"], "/none"],
  ],
  indexes: [
    [[...TEXT, "--indexes", "luck"], "index must be of exact"],
    [[...TEXT, "--top-k", "many"], "--top-k must be a whole number >= 1"],
  ],
  "index-scale": [
    [[...TEXT, "--indexes", "luck"], "index must be of exact"],
    [[...TEXT, "--length", "9", "--shares", "luck"], "--shares must be a number"],
    [[...TEXT, "--length", "9", "--smoothing", "luck"], "--smoothing must be a number"],
  ],
  heads: [
    [["luck"], "the command must be of search, retrieval"],
    [["export", "--file", "/none"], "/none"],
  ],
  bench: [[["--seconds", "0"], "--seconds must be a whole number >= 1"]],
  "bench:gpu": [[["luck"], "Unexpected argument 'luck'"]],
};

/** The commands, with the names of their files. */
function commands(): [task: string, file: string][] {
  return Object.entries(denoJson.tasks).flatMap(([task, line]) => {
    const file = line.match(/ lib\/cli\/(\w+)\.ts$/)?.[1];
    return file === undefined ? [] : [[task, file]];
  });
}

Deno.test("all commands are tried", () => {
  assertEquals(Object.keys(REFUSED).sort(), commands().map(([task]) => task).sort());
});

for (const [task, file] of commands()) {
  Deno.test(`deno task ${task} dies of wrong arguments with one line`, () =>
    inFolder(async (folder) => {
      const out = task === "eval" ? ["--out", `${folder}/eval.arrow`] : [];
      const cases = [
        [["--luck"], `Unknown option '--luck'; see deno task ${task} --help`] as const,
        ...REFUSED[task]!,
      ];
      const ends = await Promise.all(cases.map(([args]) => runCli(file, ...args, ...out)));
      ends.forEach(({ code, out, error }, i) => {
        const [args, message] = cases[i]!;
        assertEquals([code, out], [1, ""], `${args}: ${error}`);
        assertStringIncludes(error, message);
        assertEquals(error.trimEnd().split("\n").length, 1, error);
        assert(!error.includes("Uncaught"), error);
      });
      assertEquals([...Deno.readDirSync(folder)], []);
      const help = await runCli(file, "--help");
      assertEquals([help.code, help.error], [0, ""]);
      assertStringIncludes(help.out, `deno task ${task}`);
    }));
}
