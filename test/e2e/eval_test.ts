import { inFolder } from "../in_folder.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readArrowStream } from "../../lib/trace/arrow_stream.ts";

const EVAL = new URL("../../lib/cli/eval.ts", import.meta.url).pathname;

async function evaluate(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", EVAL, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("deno task eval prints an aligned table, writes its rows, and finds them there again", () =>
  inFolder(async (folder) => {
    const file = `${folder}/eval.arrow`;
    const args = ["--tasks", "pass-key,keeper", "--lengths", "400", "--questions", "5"]
      .concat(["--methods", "dense,retrieval:topK=8:window=64:sink=4"])
      .concat(["--depths", "--out", file]);
    const first = await evaluate(...args);
    assertEquals(first.code, 0, first.error);
    const [head, rule, ...lines] = first.out.split("\n");
    assertMatch(head!, /^task +asked +tokens +method +n +right \[95 %\] +minus dense \[95 %\]/);
    for (const line of lines.slice(0, 4)) {
      assertEquals(line.length, rule!.length);
      assertMatch(line, /^(pass-key|keeper) +400 +\d+ +(dense|retrieval) +10 .*%.*%.* (kB|MB)$/);
    }
    assertStringIncludes(first.out, "  0.05  0.15  0.25");
    assertEquals((await readArrowStream(file)).length, 40);
    const second = await evaluate(...args);
    assertEquals(second.out, first.out);
    assertStringIncludes(second.error, "has 40 answers");
    assertEquals((await readArrowStream(file)).length, 40);
  }));

Deno.test("deno task eval --no-resume starts anew, but removes no file that is something else", () =>
  inFolder(async (folder) => {
    const file = `${folder}/eval.arrow`;
    await Deno.writeTextFile(file, "A text that somebody needs");
    const { code, error } = await evaluate("--no-resume", "--out", file);
    assert(code !== 0);
    assertStringIncludes(error, "it is no Arrow stream");
    assertEquals(await Deno.readTextFile(file), "A text that somebody needs");
  }));

Deno.test("deno task eval stops at an interrupt, prints what it has, and goes on from there", () =>
  inFolder(async (folder) => {
    const file = `${folder}/eval.arrow`;
    const args = ["run", "--allow-all", EVAL, "--tasks", "keeper", "--lengths", "400"]
      .concat(["--questions", "2000", "--methods", "dense", "--out", file]);
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" })
      .spawn();
    while (await size(file) < 20_000) await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.output();
    assertEquals(code, 130);
    assertStringIncludes(new TextDecoder().decode(stderr), "Stopped");
    const n = Number(new TextDecoder().decode(stdout).match(/keeper.* dense +(\d+) /)![1]);
    assertEquals((await readArrowStream(file)).length, n);
  }));

async function size(path: string): Promise<number> {
  return (await Deno.stat(path).catch(() => ({ size: 0 }))).size;
}

Deno.test("deno task eval skips rows of files that are not there, with a notice", () =>
  inFolder(async (folder) => {
    const { code, error } = await evaluate(
      ...["--tasks", "ruler,kv", "--rows", folder, "--out", `${folder}/a.arrow`],
    );
    assertEquals(code, 0);
    assertEquals(error.match(/Skipped: there is no /g)!.length, 7);
  }));

Deno.test("deno task eval says what is wrong with its options", () =>
  inFolder(async (folder) => {
    const cases = [
      [["--tasks", "riddle"], "--tasks must be of pass-key"],
      [["--methods", "dense,psychic"], "methods must be of dense, streaming, retrieval"],
      [["--methods", "streaming:topK=3"], "options of streaming must be of sink, window"],
      [["--lengths", "1024,long"], "--lengths must be a whole number >= 1: current value is long"],
    ] as const;
    for (const [args, message] of cases) {
      const { code, error } = await evaluate(...args, "--out", `${folder}/a.arrow`);
      assert(code !== 0);
      assertStringIncludes(error, message);
    }
  }));
