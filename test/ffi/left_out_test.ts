/** A library of a compiler that does not know all instruction sets. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { buildLibrary, leftOutOf, removeOtherLibraries } from "../../ffi/build.ts";
import { diagnose } from "../../ffi/doctor.ts";
import { libraryFolders } from "../../ffi/library.ts";
import { runCli } from "../cli/run_cli.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { fromRoot, runScript } from "./child.ts";
import { compilerWithout, RECORDER, withCompiler, withEnv } from "./fake_compiler.ts";

const compiler = await compilerOrNull();
const ignore = compiler === null || Deno.build.arch !== "x86_64";
if (ignore) console.log("Skips the library of an older compiler as there is none, or no x86-64");

/** Of the checkout, so that it is built again only when the sources have changed. */
const FOLDER = `${libraryFolders()[0]!.path}/older-compiler`;
const LATER = ["avx512", "avx512bf16", "amx"];

/** Loads the library of `LONGLENS_LIBRARY` and prints what it runs on. */
const SCRIPT = `
  import { openBackend } from "${fromRoot("ffi/open.ts")}";
  const backend = await openBackend();
  const [table, out] = [backend.tensor([2, 1], "f32", Float32Array.of(3, 4)), backend.tensor([1, 1])];
  await backend.embed(Int32Array.of(1), table, 2, out);
  console.log(JSON.stringify([backend.name, backend.info().available, out.read()[0]]));
`;

Deno.test({
  name:
    "a compiler that refuses the flags of AVX-512 and AMX builds a library that lacks just these",
  ignore,
  fn: (t) => {
    const command = [compiler!.command, ...compiler!.args].join(" ");
    return withCompiler(compilerWithout("-mavx512*|-mamx-*", command), async ({ cxx }) => {
      const path = await buildLibrary(FOLDER);
      await removeOtherLibraries(path);
      assertEquals(leftOutOf(path), LATER);
      const env = { LONGLENS_LIBRARY: path, CXX: cxx, PATH: Deno.env.get("PATH")! };
      await t.step("ll_info() leaves them out of what is available", async () => {
        const { stdout, stderr } = await runScript(SCRIPT, { flags: ["-A"], env });
        const [name, available, value] = JSON.parse(stdout || `[]`);
        assertEquals([name, value], ["cpu", 8], stderr);
        assert(available.includes("portable"), stdout);
        assertEquals(available.filter((isa: string) => LATER.includes(isa)), []);
      });
      await t.step("the doctor names them and what the compiler said", async () => {
        const { out, error } = await withEnv(env, () => runCli("doctor"));
        for (const isa of LATER) {
          const line = new RegExp(
            `^Left out +${isa}, as the compiler does not know it: .*'-mavx512\\w+'$`,
            "m",
          );
          assertMatch(out, line, error);
        }
      });
    });
  },
});

Deno.test({
  name: "diagnose() says how to get what the compiler knows by now",
  ignore,
  fn: () =>
    withCompiler(RECORDER, async ({ folder }) => {
      const path = `${folder}-without-amx.so`;
      const { leftOut } = await withEnv({ LONGLENS_LIBRARY: path }, diagnose);
      assertEquals(leftOut.map(({ isa }) => isa), ["amx"]);
      assertStringIncludes(leftOut[0]!.reason, `this one does: remove ${path}`);
    }),
});
