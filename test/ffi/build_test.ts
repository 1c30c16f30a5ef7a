import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { buildLibrary, type BuildProgress, libraryName } from "../../ffi/build.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { compileUnits } from "../../ffi/sources.ts";
import { inFolder } from "../in_folder.ts";
import { ROOT, runScript } from "./child.ts";

const ignore = Deno.build.os === "windows";

/** A command that writes its arguments to `log` and makes empty objects and libraries, as fast as a shell can. */
const RECORDER = `#!/bin/sh
echo "$@" >> "$LOG"
if [ "$1" = --version ]; then echo "recorder 1.0"; exit; fi
sleep 0.02
while [ "$1" != -o ]; do shift; done
echo library > "$2"
`;
const BROKEN = `#!/bin/sh
if [ "$1" = --version ]; then echo "broken 1.0"; exit; fi
echo "pool.cpp:1:1: error: no such luck" >&2
exit 1
`;

async function withCompiler<T>(
  script: string,
  work: (place: { folder: string; log: string; cxx: string }) => Promise<T>,
): Promise<T> {
  return await inFolder(async (home) => {
    const [folder, log, cxx] = [`${home}/build`, `${home}/log`, `${home}/cxx`];
    await Deno.writeTextFile(cxx, script, { mode: 0o755 });
    await Deno.writeTextFile(log, "");
    return await withEnv({ CXX: cxx, LOG: log }, () => work({ folder, log, cxx }));
  });
}

async function withEnv<T>(env: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) value ? Deno.env.set(name, value) : Deno.env.delete(name);
  }
}

async function linesOf(log: string): Promise<string[]> {
  return (await Deno.readTextFile(log)).trim().split("\n");
}

Deno.test("libraryName() holds the ABI version and a hash", async () => {
  assertMatch(await libraryName(), /^liblonglens-1-[0-9a-f]{16}\.so$/);
});

Deno.test({
  name: "buildLibrary() compiles each unit, links once and leaves only the library",
  ignore,
  fn: () =>
    withCompiler(RECORDER, async ({ folder, log }) => {
      const steps: BuildProgress[] = [];
      const path = await buildLibrary(folder, { onProgress: (step) => steps.push(step) });
      const units = compileUnits(Deno.build.arch);
      assertEquals(path, `${folder}/${await libraryName()}`);
      assertEquals(
        steps.map(({ done }) => done),
        units.map((_, i) => i + 1).concat(units.length + 1),
      );
      assertEquals(steps.at(-1)!.step, "link");
      const calls = await linesOf(log);
      for (const { path, flags } of units) {
        const call = calls.find((line) => line.includes(`-c ${path} `));
        assertStringIncludes(call ?? "", flags.join(" "));
      }
      const left = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
      assertEquals(left, [await libraryName(), "lock"]);
    }),
});

Deno.test({
  name: "buildLibrary() compiles nothing when the library is there",
  ignore,
  fn: () =>
    withCompiler(RECORDER, async ({ folder, log }) => {
      await buildLibrary(folder);
      const before = (await linesOf(log)).length;
      await buildLibrary(folder);
      assertEquals((await linesOf(log)).slice(before), []);
    }),
});

Deno.test({
  name: "buildLibrary() in two processes at once builds once",
  ignore,
  fn: () =>
    withCompiler(RECORDER, async ({ folder, log, cxx }) => {
      const script = `
        import { buildLibrary } from "${new URL("ffi/build.ts", ROOT)}";
        console.log(await buildLibrary(${JSON.stringify(folder)}));
      `;
      const run = () =>
        runScript(script, { flags: ["-A"], env: { CXX: cxx, LOG: log, PATH: "/usr/bin:/bin" } });
      const outcomes = await Promise.all([run(), run()]);
      for (const { stdout, stderr } of outcomes) {
        assertEquals(stdout, `${folder}/${await libraryName()}`, stderr);
      }
      const compiled = (await linesOf(log)).filter((line) => line !== "--version");
      assertEquals(compiled.length, compileUnits(Deno.build.arch).length + 1);
    }),
});

Deno.test({
  name: "buildLibrary() throws the compiler's first lines and leaves no work folder",
  ignore,
  fn: () =>
    withCompiler(BROKEN, async ({ folder }) => {
      const error = await assertRejects(() => buildLibrary(folder), LibraryError);
      assertStringIncludes(error.message, "error: no such luck");
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["lock"]);
    }),
});

Deno.test({
  name: "buildLibrary() names the commands it tried when no compiler answers",
  ignore,
  fn: () =>
    withEnv({ CXX: "/nowhere/c++ -m64" }, async () => {
      const error = await assertRejects(() => buildLibrary("/nowhere"), LibraryError);
      assert(error.message.includes("/nowhere/c++"), error.message);
    }),
});
