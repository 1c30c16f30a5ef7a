import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  buildLibrary,
  type BuildProgress,
  leftOutOf,
  libraryName,
  libraryNames,
  removeOtherLibraries,
} from "../../ffi/build.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { cpuLibrary, findBuilt } from "../../ffi/library.ts";
import { compileUnits, isaUnits } from "../../ffi/sources.ts";
import { ROOT, runScript } from "./child.ts";
import { buildCalls, RECORDER, recorderWithout, withCompiler, withEnv } from "./fake_compiler.ts";

const ignore = Deno.build.os === "windows";
const isas = isaUnits(Deno.build.arch).map(({ isa }) => isa);
const hasNoIsas = isas.length === 0; // the architecture has but one unit

const BROKEN = `#!/bin/sh
if [ "$1" = --version ]; then echo "broken 1.0"; exit; fi
echo "pool.cpp:1:1: error: no such luck" >&2
exit 1
`;

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
      const calls = await buildCalls(log);
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
      const before = await Deno.readTextFile(log);
      await buildLibrary(folder);
      assertEquals(await Deno.readTextFile(log), before);
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
      assertEquals((await buildCalls(log)).length, compileUnits(Deno.build.arch).length + 1);
    }),
});

Deno.test("leftOutOf() reads what libraryName() says of instruction sets", async () => {
  for (let i = 0; i <= isas.length; i++) {
    const path = `/some-without-any/${await libraryName(isas.slice(i))}`;
    assertEquals(leftOutOf(path), isas.slice(i));
  }
});

Deno.test("libraryNames() begins with the library that lacks nothing and ends with the least", async () => {
  const names = await libraryNames();
  assertEquals([names[0], names.at(-1)], [await libraryName(), await libraryName(isas)]);
  assertEquals(names.length, isas.length + 1);
});

Deno.test({
  name: "buildLibrary() compiles units without their flags where the compiler does not know these",
  ignore: ignore || hasNoIsas,
  fn: () =>
    withCompiler(recorderWithout("-mavx512bf16|-mamx-*"), async ({ folder, log }) => {
      const path = await buildLibrary(folder);
      assertEquals(path, `${folder}/${await libraryName(["avx512bf16", "amx"])}`);
      const units = (await buildCalls(log)).filter((line) => line.includes(" -c "));
      assertEquals(units.length, compileUnits(Deno.build.arch).length);
      assertEquals(units.filter((line) => /-mavx512bf16|-mamx/.test(line)), []);
      assert(units.some((line) => line.includes("-mavx512f") && line.includes("cpu/avx512.cpp")));
    }),
});

Deno.test({
  name: "buildLibrary() builds again only for a compiler that knows more",
  ignore: ignore || hasNoIsas,
  fn: () =>
    withCompiler(recorderWithout("-mamx-*"), async ({ folder, log, cxx }) => {
      const lesser = await buildLibrary(folder);
      const before = await buildCalls(log);
      assertEquals(await buildLibrary(folder), lesser);
      assertEquals(await buildCalls(log), before);
      await Deno.writeTextFile(cxx, RECORDER);
      const whole = await buildLibrary(folder);
      assertEquals([leftOutOf(lesser), leftOutOf(whole)], [["amx"], []]);
      await Deno.writeTextFile(cxx, recorderWithout("-mamx-*"));
      assertEquals(await buildLibrary(folder), whole);
    }),
});

Deno.test({
  name: "findBuilt() gives the library that lacks the fewest instruction sets, in any folder",
  ignore: ignore || hasNoIsas,
  fn: () =>
    withCompiler(RECORDER, async ({ folder }) => {
      const folders = [`${folder}/a`, `${folder}/b`];
      const places = folders.map((path) => ({ path, source: "cache" as const }));
      const found = async () => await findBuilt(places, await cpuLibrary());
      for (const one of folders) await Deno.mkdir(one, { recursive: true });
      assertEquals(await found(), null);
      const [a, b] = [await libraryName(["amx"]), await libraryName()];
      await Deno.writeTextFile(`${folders[0]}/${a}`, "");
      assertEquals((await found())!.path, `${folders[0]}/${a}`);
      await Deno.writeTextFile(`${folders[1]}/${b}`, "");
      assertEquals((await found())!.path, `${folders[1]}/${b}`);
    }),
});

Deno.test({
  name: "removeOtherLibraries() leaves the library that it is given",
  ignore,
  fn: () =>
    withCompiler(RECORDER, async ({ folder }) => {
      const path = await buildLibrary(folder);
      await Deno.writeTextFile(`${folder}/liblonglens-1-0123456789abcdef.so`, "");
      await removeOtherLibraries(path);
      const left = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
      assertEquals(left, [path.split("/").at(-1), "lock"]);
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
