/**
 * `deno task test [files and flags of deno test]`: builds the native library, then runs the tests.
 *
 * The last line is `N passed, N failed, N skipped`; the exit status is 0 only if a test ran and none failed.
 */
import { setup } from "./setup.ts";

const ROOT = `${import.meta.dirname}/..`;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function main(args: readonly string[]): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-test-" });
  try {
    if (!await build()) return 1;
    const { flags, jsr } = await setup(folder);
    if (!jsr) console.log("JSR does not answer: @std/assert is test/assert.ts");
    return await test([...flags, ...args]);
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

async function test(args: readonly string[]): Promise<number> {
  const child = deno(["test", "--allow-all", ...args], "piped");
  const report = await tee(child.stdout);
  const { success } = await child.status;
  const { passed, failed, skipped } = counts(report) ?? { passed: 0, failed: 1, skipped: 0 };
  if (passed + failed === 0) console.error("No test ran");
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return success && failed === 0 && passed > 0 ? 0 : 1;
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
