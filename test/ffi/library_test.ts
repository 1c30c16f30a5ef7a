import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { isFile } from "../../ffi/build_folder.ts";
import { diagnose } from "../../ffi/doctor.ts";
import { libraryFolders } from "../../ffi/library.ts";
import { inFolder } from "../in_folder.ts";
import { copyCheckout, type Outcome, runScript } from "./child.ts";

const ignore = Deno.build.os === "windows";

/** Makes empty files instead of objects and libraries. */
const PRETENDER = `#!/bin/sh
if [ "$1" = --version ]; then echo "pretender 1.0"; exit; fi
while [ "$1" != -o ]; do shift; done
: > "$2"
`;

interface Checkout {
  readonly root: URL;
  readonly folder: string;
  /** Runs `findLibrary()` there and prints its result or its error. */
  find(flags: readonly string[], env?: Record<string, string>): Promise<Outcome>;
}

async function inCheckout(work: (checkout: Checkout) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const root = await copyCheckout(folder);
    const cxx = `${folder}/cxx`;
    await Deno.writeTextFile(cxx, PRETENDER, { mode: 0o755 });
    const script = `
      import { findLibrary } from "${new URL("ffi/library.ts", root)}";
      const { source, path } = await findLibrary().catch((e) => ({ source: e.name, path: e.message }));
      console.log(source, path);
    `;
    const find = (flags: readonly string[], env = {}) =>
      runScript(script, { flags, env: { CXX: cxx, PATH: "/usr/bin:/bin", ...env } });
    await work({ root, folder, find });
  });
}

function test(name: string, work: (checkout: Checkout) => Promise<void>): void {
  Deno.test({ name, ignore, fn: () => inCheckout(work) });
}

test("findLibrary() builds into the checkout, and again after a source has changed", async ({ root, find }) => {
  const first = (await find(["-A"])).stdout;
  assert(first.startsWith("checkout "), first);
  assertEquals((await find(["-A"])).stdout, first);
  const source = new URL("kernels/cpu/pool.cpp", root);
  await Deno.writeTextFile(source, "\n", { append: true });
  const second = (await find(["-A"])).stdout;
  assertNotEquals(second, first);
  for (const line of [first, second]) assert(await isFile(line.split(" ")[1]!), line);
});

test("findLibrary() takes what LONGLENS_LIBRARY says, unseen", async ({ find }) => {
  const { stdout } = await find(["-A"], { LONGLENS_LIBRARY: "/some/where.so" });
  assertEquals(stdout, "environment /some/where.so");
});

test("findLibrary() builds into the cache where the checkout may not be written", async ({ folder, find }) => {
  const flags = ["--allow-ffi", "--allow-read", "--allow-run", "--allow-env"];
  const cache = `${folder}/cache`;
  const inCache = [...flags, `--allow-write=${cache}`];
  for (const [name, path] of [["LONGLENS_CACHE", cache], ["XDG_CACHE_HOME", `${cache}/longlens`]]) {
    const { stdout, stderr } = await find(inCache, { [name!]: cache });
    assertStringIncludes(stdout, `cache ${path}/liblonglens-`, stderr);
  }
  // From now on it is found there, with less.
  const { stdout } = await find(["--allow-read", "--allow-env"], { LONGLENS_CACHE: cache });
  assertStringIncludes(stdout, `cache ${cache}/liblonglens-`);
});

test("findLibrary() lists what each folder needs", async ({ folder, find }) => {
  const { stdout } = await find(["--allow-ffi", "--allow-env"], { HOME: `${folder}/home` });
  assertStringIncludes(stdout, "LibraryError Cannot find the native library: ");
  assertStringIncludes(stdout, `${folder}/.build needs --allow-read=${folder}/.build`);
  assertStringIncludes(stdout, `--allow-write=${folder}/home/`);
  assertStringIncludes(stdout, "--allow-run=");
});

Deno.test("diagnose() says what is there, or what to do", async () => {
  const diagnosis = await diagnose();
  assertEquals(diagnosis.folders[0], libraryFolders()[0]!.path);
  assertEquals(diagnosis.deno, Deno.version.deno);
  assertEquals(diagnosis.native === null, diagnosis.problems.length > 0);
});
