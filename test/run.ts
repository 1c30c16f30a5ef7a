/**
 * `deno task test [files and flags of deno test]`: builds the native library, then runs the tests; all of them in two
 * halves at once, the report of the second below that of the first.
 *
 * The last line is `N passed, N failed, N skipped`; the exit status is 0 only if a test ran and none failed.
 */
import { setup } from "./setup.ts";

const ROOT = `${import.meta.dirname}/..`;

/** Folders whose tests compile, or run what they share once it is compiled: half of the time. */
const COMPILING = ["ffi", "gpu", "kernels", "native"];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function main(args: readonly string[]): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-test-" });
  try {
    if (!await build()) return 1;
    const runs = args.length > 0 ? [args] : await halves();
    const folders = runs.map((_, i) => `${folder}/${i}`); // a lock of its own each
    const setups = await Promise.all(folders.map(async (path) => {
      await Deno.mkdir(path);
      return await setup(path);
    }));
    if (!setups[0]!.jsr) console.log("JSR does not answer: @std/assert is test/assert.ts");
    return await test(runs.map((run, i) => [...setups[i]!.flags, ...run]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Builds the native library. Without a compiler says so: the tests then run on the reference backend. */
async function build(): Promise<boolean> {
  if (!await compiler()) {
    console.log(
      "No C++ compiler found: tests of the native library are skipped; install g++ 12 or newer or set CXX",
    );
    return true;
  }
  const { success } = await deno(["run", "--allow-all", "lib/cli/build.ts"], "inherit").status;
  if (!success) console.error("Cannot test as the native library does not build: see above");
  return success;
}

async function compiler(): Promise<string | undefined> {
  for (const name of [Deno.env.get("CXX"), "c++", "g++", "clang++"]) {
    if (name && await runs(name)) return name;
  }
}

async function runs(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

/** Paths of the tests, those that compile and the others. */
async function halves(): Promise<string[][]> {
  const compiling: string[] = [];
  const others: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}/test`)) {
    if (!isDirectory && !name.endsWith("_test.ts")) continue;
    (COMPILING.includes(name) ? compiling : others).push(`test/${name}`);
  }
  return [compiling, others];
}

/** Runs `deno test` with each of the arguments, at once. */
async function test(runs: readonly (readonly string[])[]): Promise<number> {
  const children = runs.map((args) => deno(["test", "--allow-all", ...args], "piped"));
  const [first, ...others] = children.map(({ stdout }) => stdout);
  const shown = tee(first!);
  const held = others.map((stream) => new Response(stream).text());
  const reports = [await shown];
  for (const text of held) {
    reports.push(await text);
    console.log(await text);
  }
  const statuses = await Promise.all(children.map(({ status }) => status));
  const { passed, failed, skipped } = total(reports);
  if (passed + failed === 0) console.error("No test ran");
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return statuses.every(({ success }) => success) && failed === 0 && passed > 0 ? 0 : 1;
}

function deno(args: readonly string[], stdout: "piped" | "inherit"): Deno.ChildProcess {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout,
    stderr: "inherit",
  });
  return command.spawn();
}

/** Passes the stream on to stdout and returns it as text. */
async function tee(stream: ReadableStream<Uint8Array>): Promise<string> {
  const [shown, kept] = stream.tee();
  const [text] = await Promise.all([
    new Response(kept).text(),
    shown.pipeTo(Deno.stdout.writable, { preventClose: true }),
  ]);
  return text;
}

/** What several reports count; one without a summary is a failure. */
export function total(reports: readonly string[]): Counts {
  const each = reports.map((report) => counts(report) ?? { passed: 0, failed: 1, skipped: 0 });
  const sum = (name: keyof Counts) => each.reduce((all, one) => all + one[name], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** Reads the last `ok | 3 passed (1 step) | 0 failed | 1 ignored (12ms)` of a report. */
export function counts(report: string): Counts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = report.replaceAll(/\x1b\[[\d;]*m/g, "");
  const line = [...plain.matchAll(/^(?:ok|FAILED) \| \d+ passed.*$/gm)].at(-1)?.[0];
  if (line === undefined) return undefined;
  const number = (word: string) => Number(line.match(`(\\d+) ${word}`)?.[1] ?? 0);
  return { passed: number("passed"), failed: number("failed"), skipped: number("ignored") };
}

if (import.meta.main) Deno.exit(await main(Deno.args));
