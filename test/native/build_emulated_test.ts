import { assertEquals } from "@std/assert";
import { ROOT, runScript } from "../ffi/child.ts";
import { buildCalls, RECORDER, withCompiler } from "../ffi/fake_compiler.ts";
import { emulatedUnits } from "./build_emulated.ts";

Deno.test({
  name: "emulatedLibrary() in two processes at once builds once",
  ignore: Deno.build.os === "windows" || Deno.build.arch !== "x86_64",
  fn: () =>
    withCompiler(RECORDER, async ({ folder, log, cxx }) => {
      const script = `
        import { emulatedLibrary } from "${new URL("test/native/build_emulated.ts", ROOT)}";
        console.log(await emulatedLibrary(${JSON.stringify(folder)}));
      `;
      const run = () =>
        runScript(script, { flags: ["-A"], env: { CXX: cxx, LOG: log, PATH: "/usr/bin:/bin" } });
      const [first, second] = await Promise.all([run(), run()]);
      assertEquals(first.stdout, second.stdout, first.stderr);
      const left = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`).toSorted();
      assertEquals(left, [first.stdout, `${folder}/lock`], first.stderr);
      assertEquals((await buildCalls(log)).length, emulatedUnits().length + 1);
    }),
});
