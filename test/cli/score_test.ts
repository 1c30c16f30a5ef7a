import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { inFolder } from "../in_folder.ts";
import { runCli } from "./run_cli.ts";

const score = (...args: string[]) => runCli("score", ...args);

/** Runs `body` with the path of a text. */
function withText(body: (path: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    const text = Array.from({ length: 400 }, (_, x) => `Sentence ${x % 83} has ${x} parts.`);
    await Deno.writeTextFile(`${folder}/a.txt`, text.join(" "));
    await body(`${folder}/a.txt`);
  });
}

Deno.test("deno task score prints bits per byte", () =>
  withText(async (path) => {
    const { code, out, error } = await score("--text", path, "--window", "256", "--threads", "1");
    assertEquals(code, 0, error);
    assertMatch(out, /^\d\.\d{3} bits per byte in windows of 256 tokens\n$/);
  }));

Deno.test("deno task score prints the perplexity of each method and length beside dense", () =>
  withText(async (path) => {
    const methods = ["--methods", "aShape:sink=4:window=16,aShape:sink=0:window=9000"];
    const sizes = ["--lengths", "512,300", "--last", "100", "--chunk", "128", "--threads", "1"];
    const { code, out, error } = await score("--text", path, ...methods, ...sizes);
    assertEquals(code, 0, error);
    const lines = out.trimEnd().split("\n").map((line) => line.trim().split(/ {2,}/));
    assertEquals(lines[0], ["tokens", "scored", "method", "perplexity", "over dense"]);
    const [narrow, whole] = ["aShape sink:4,window:16", "aShape sink:0,window:9000"];
    const wanted = ["512", "300"].flatMap((tokens) =>
      ["dense", narrow, whole].map((method) => [tokens, "100", method])
    );
    assertEquals(lines.slice(2).map((line) => line.slice(0, 3)), wanted);
    for (const [, , method, perplexity, ratio] of lines.slice(2)) {
      assert(Number(perplexity) > 1, out);
      assertEquals(Number(ratio) === 1, method !== narrow, out);
    }
  }));

Deno.test("deno task score tells its options, and refuses others in a few words", async () => {
  const text = ["--text", import.meta.filename!];
  const cases: [args: string[], message: string][] = [
    [[], "Cannot score without --text FILE"],
    [["--file", "x"], "Unknown option '--file'"],
    [["--text", "/no/such/text"], "/no/such/text"],
    [[...text, "--window", "0"], "--window must be a whole number >= 1"],
    [[...text, "--lengths", "512"], "--lengths needs --methods"],
    [[...text, "--methods", "aShape", "--window", "512"], "--window does not go with --methods"],
    [[...text, "--methods", "luck"], "methods must be of dense, streaming"],
    [[...text, "--methods", "aShape", "--lengths", "64,x"], "--lengths must be a whole number"],
    [[...text, "--methods", "aShape", "--lengths", "1000000"], "must have 1000000 tokens"],
  ];
  const [help, ...ends] = await Promise.all([["--help"], ...cases.map(([args]) => args)]
    .map((args) => score(...args)));
  assertEquals([help!.code, help!.error], [0, ""]);
  for (const name of ["text", "methods", "lengths", "last", "window"]) {
    assertStringIncludes(help!.out, `--${name} `);
  }
  ends.forEach(({ code, out, error }, i) => {
    assertEquals([code, out], [1, ""]);
    assertStringIncludes(error, cases[i]![1]);
    assertEquals(error.trim().split("\n").length, 1, error);
  });
});
