import { inFolder } from "../in_folder.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseResult, resultText } from "../../lib/bench/result.ts";
import { RESULT } from "../bench/tiny.ts";

const MODEL = new URL("../model/fixtures/gguf/llama.gguf", import.meta.url).pathname;
const BENCH = new URL("../../lib/cli/bench.ts", import.meta.url).pathname;

function command(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", BENCH, ...args],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
}

async function bench(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await command(...args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("deno task bench refuses options that make no sense before it measures anything", async () => {
  const cases: [args: string[], message: string][] = [
    [["--seconds", "0"], "--seconds must be a whole number >= 1: current value is 0"],
    [["--threads", "two"], "--threads must be a whole number >= 1: current value is two"],
    [["--filter", "abacus"], "cases that --list prints: current value is abacus"],
    [["--svg", "a.gif"], "--svg must end in .svg, .png or .html: current value is a.gif"],
    [["--ful"], "Unknown option '--ful'"],
    [["--json", MODEL], "llama.gguf as it is no JSON"],
    [["--models", "--model", MODEL, "--filter", "abacus"], "prints: current value is abacus"],
    [["--models", "--model", MODEL, "--full"], "--models takes no --full: current value is true"],
    [["--models", "--model", "/nowhere/a.gguf"], "/nowhere/a.gguf"],
  ];
  const ends = await Promise.all(cases.map(([args]) => bench(...args)));
  ends.forEach(({ code, error }, i) => {
    assert(code !== 0);
    assertStringIncludes(error, cases[i]![1]);
  });
});

Deno.test("deno task bench --list prints the cases that --filter and --full leave", async () => {
  const { out } = await bench("--list", "--filter", "dense prefill d=128 bf16");
  assertEquals(out.trim().split("\n").length, 4);
  assertStringIncludes(out, "dense prefill n=16K d=128 heads=4/1 bf16\n");
  const full = await bench("--list", "--full", "--filter", "n=128K d=256 decode");
  assertStringIncludes(full.out, "dense decode n=128K d=256 heads=64/8 bf16\n");
});

Deno.test("deno task bench --models --list prints every model with every depth", async () => {
  const { out } = await bench("--models", "--list", "--model", MODEL, "--model", MODEL);
  const names = ["llama n=512", "llama n=2K", "llama n=8K", "llama n=32K"];
  assertEquals(out.trim().split("\n"), [...names, ...names]);
});

Deno.test("deno task bench --models puts its rows beside the kernels of --json", () =>
  inFolder(async (folder) => {
    const json = `${folder}/result.json`;
    await Deno.writeTextFile(json, resultText(RESULT));
    const args = ["--models", "--model", MODEL, "--filter", "n=512", "--no-peers"];
    const { code, out, error } = await bench(...args, "--seconds", "20", "--json", json);
    assertEquals(code, 0, error);
    assertStringIncludes(out, "llama  prefill 512");
    const { models, ...kernels } = await parseResult(await Deno.readTextFile(json), json);
    assertEquals({ ...kernels, models: null }, RESULT);
    assertEquals(models!.rows.map(({ task }) => task), ["prefill", "decode"]);
  }));

Deno.test("deno task bench --readme writes the table of a stored result", () =>
  inFolder(async (folder) => {
    const [json, readme] = [`${folder}/result.json`, `${folder}/README.md`];
    await Deno.writeTextFile(json, resultText(RESULT));
    await Deno.writeTextFile(readme, "a\n<!-- bench:start --><!-- bench:end -->\nb\n");
    assertEquals((await bench("--readme", readme, "--json", json)).code, 0);
    assertStringIncludes(await Deno.readTextFile(readme), "| sparse decode n=16K d=128 ");
  }));

Deno.test("deno task bench stops at an interrupt and leaves what it has", () =>
  inFolder(async (folder) => {
    const json = `${folder}/result.json`;
    const args = ["--seconds", "5", "--no-peers", "--json", json];
    const child = command(...args, "--arrow", `${folder}/bench.arrow`).spawn();
    while (!await exists(`${folder}/bench.arrow`)) await pause(50);
    child.kill("SIGINT");
    const { code, stdout } = await child.output();
    assertEquals(code, 130);
    assertStringIncludes(new TextDecoder().decode(stdout), "The run was stopped before its end");
    assertEquals((await parseResult(await Deno.readTextFile(json), json)).finished, false);
  }));

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
