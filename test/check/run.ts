/**
 * `deno task check`: everything that can be said about the code without running the tests.
 *
 * Every step is run, whatever came before it. A step that needs a network that is not there says so and does not fail.
 */
import { publishedFiles } from "../ffi/publish_set.ts";
import { setup } from "../setup.ts";

const ROOT = new URL("../../", import.meta.url);

/** What JSR takes. */
const MAX_BYTES = 20e6;

/** What Deno says where it cannot reach a registry. */
const NO_NETWORK =
  /dns error|error sending request|failed to lookup address|manifest .* failed to load/i;

type Result = "right" | "wrong" | "not run";

interface Outcome {
  readonly result: Result;
  /** What to print; nothing where it is empty. */
  readonly report: string;
}

interface Step {
  readonly name: string;
  run(): Promise<Outcome>;
}

function steps(flags: readonly string[]): Step[] {
  const places = ["mod.ts", "lib", "ffi", "kernels"];
  const drift = ["test/imports_test.ts", "test/ffi/symbols_test.ts"];
  return [
    deno("format", ["fmt", "--check"]),
    deno("lint", ["lint"]),
    deno("types", ["check", ...flags, ...places, "test"]),
    deno("docs", ["doc", "--lint", ...flags, "mod.ts"]),
    deno("doc examples", [
      "test",
      "--doc",
      "--allow-all",
      "--permit-no-files",
      ...flags,
      ...places,
    ]),
    deno("import directions, symbols", ["test", "--allow-all", ...flags, ...drift]),
    deno("publish", ["publish", "--dry-run", "--allow-dirty"]),
    { name: "size of the published files", run: checkSize },
  ];
}

function deno(name: string, args: readonly string[]): Step {
  return { name, run: () => runDeno(args) };
}

async function runDeno(args: readonly string[]): Promise<Outcome> {
  const options = { args: [...args], cwd: ROOT, env: { NO_COLOR: "1" } };
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  if (success) return { result: "right", report: "" };
  const report = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { result: NO_NETWORK.test(report) ? "not run" : "wrong", report };
}

async function checkSize(): Promise<Outcome> {
  let bytes = 0;
  for (const file of await publishedFiles()) bytes += (await Deno.stat(new URL(file, ROOT))).size;
  const report = `${(bytes / 1e6).toFixed(1)} MB of ${MAX_BYTES / 1e6} MB\n`;
  return { result: bytes < MAX_BYTES ? "right" : "wrong", report };
}

async function timed({ name, run }: Step): Promise<Result> {
  const start = performance.now();
  const { result, report } = await run().catch((error: Error): Outcome => {
    return { result: "wrong", report: `${error.message}\n` };
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const note = result === "not run" ? "not run: needs a network" : result;
  console.log(`${name}: ${note} (${seconds} s)${report && `\n${report.trimEnd()}`}`);
  return result;
}

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-check-" });
  const results: Result[] = [];
  try {
    const { flags } = await setup(folder);
    for (const step of steps(flags)) results.push(await timed(step));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const count = (result: Result) => results.filter((one) => one === result).length;
  console.log(
    `check: ${count("right")} right, ${count("wrong")} wrong, ${count("not run")} not run`,
  );
  return count("wrong") === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
