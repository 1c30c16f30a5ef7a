/** The package as a user of JSR gets it: over http, with no library anywhere. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { libraryName } from "../../ffi/build.ts";
import { isFile } from "../../ffi/build_folder.ts";
import { libraryFolders } from "../../ffi/library.ts";
import { CUDA_SOURCES } from "../../ffi/cuda_sources.ts";
import { SOURCES } from "../../ffi/sources.ts";
import { inFolder } from "../in_folder.ts";
import { type Outcome, runScript } from "./child.ts";
import { publishedFiles, type PublishServer, resolveBare, servePublished } from "./publish_set.ts";

const PARTS = [
  "mod.ts",
  "lib/",
  "ffi/",
  "kernels/reference/",
  "kernels/include/",
  "kernels/common/",
  "kernels/cpu/",
  "kernels/cuda/",
  "deno.json",
  "README.md",
  "LICENSE",
];
const MAX_BYTES = 20e6;
const LIBRARY = `${libraryFolders()[0]!.path}/${await libraryName()}`;
const built = await isFile(LIBRARY);
if (!built) console.log(`Skips the build over http as ${LIBRARY} is not built`);

/** A compiler that makes the checkout's library of whatever it is given, because building takes long. */
const COPIER = `#!/bin/sh
if [ "$1" = --version ]; then echo "copier 1.0"; exit; fi
while [ "$1" != -o ]; do shift; done
case "$2" in *.so) cp "${LIBRARY}" "$2";; *) : > "$2";; esac
`;

Deno.test("the published files are those of the design, and every source of the libraries", async () => {
  const files = await publishedFiles();
  for (const file of files) assert(PARTS.some((part) => file.startsWith(part)), file);
  for (const path of Object.keys({ ...SOURCES, ...CUDA_SOURCES })) {
    assert(files.includes(`kernels/${path}`), path);
  }
  assert(
    !files.some((file) => file.includes("/recipe/")),
    "the recipe of the embedded model is published",
  );
});

Deno.test("the published files are below JSR's 20 MB", async () => {
  let bytes = 0;
  for (const file of await publishedFiles()) {
    bytes += (await Deno.stat(new URL(`../../${file}`, import.meta.url))).size;
  }
  assert(bytes < MAX_BYTES, `${bytes} bytes`);
});

Deno.test("resolveBare() does to specifiers what JSR does", () => {
  const imports = { zod: "npm:zod@^4.0.0", "@a/b": "jsr:@a/b@1" };
  const text = `import { z } from "zod";\nawait import("zod/mini");\nexport * from "@a/b";\n` +
    `import x from "./zod.ts";\nimport "node:url";`;
  assertEquals(
    resolveBare(text, imports),
    `import { z } from "npm:zod@^4.0.0";\nawait import("npm:zod@^4.0.0/mini");\n` +
      `export * from "jsr:@a/b@1";\nimport x from "./zod.ts";\nimport "node:url";`,
  );
});

Deno.test("mod.ts is imported over http without any permission", () =>
  withServer(async (server, folder) => {
    const script = `
      import * as longlens from "${server.url}mod.ts";
      console.log(Object.keys(longlens).length > 0);
    `;
    const { stdout, stderr } = await runRemote(script, server, folder, []);
    assertEquals([stdout, server.missing], ["true", []], stderr);
  }));

Deno.test({
  name: "the native library is built into the user's cache over http, with the documented flags",
  ignore: !built,
  fn: () =>
    withServer(async (server, folder) => {
      const script = `
        import { openBackend } from "${server.url}ffi/open.ts";
        const backend = await openBackend({ backend: "cpu" });
        const [table, out] = [backend.tensor([2, 1], "f32", Float32Array.of(3, 4)), backend.tensor([1, 1])];
        await backend.embed(Int32Array.of(1), table, 2, out);
        console.log(backend.name, out.read()[0]);
      `;
      const cache = `${folder}/cache/longlens`;
      const { stdout, stderr } = await runRemote(script, server, folder, [
        `--allow-ffi=${cache}`,
        `--allow-read=${cache}`,
        `--allow-write=${cache}`,
        "--allow-run=c++,g++,clang++",
        "--allow-env=LONGLENS_*,HOME,XDG_CACHE_HOME",
      ]);
      assertEquals(stdout, "cpu 8", stderr);
      // The name holds a hash of the sources: those that were served are those that are here.
      assert(await isFile(`${cache}/${await libraryName()}`));
      assertEquals(server.missing, []);
    }),
});

Deno.test({
  name: "the embedded model is fetched once over http, checked, and answers",
  ignore: !built,
  fn: () =>
    withServer(async (server, folder) => {
      const script = `
        import { methods, Model } from "${server.url}mod.ts";
        const model = await Model.load(undefined, { backend: "cpu" });
        const session = model.session({ attention: methods.retrieval() });
        await session.prefill("The pass key is 73914. Remember it. 73914 is the pass key.");
        const step = await session.step();
        console.log(model.backend, step.index === session.length - 1, model.path);
        model.close();
      `;
      const cache = `${folder}/cache/longlens`;
      const { stdout, stderr } = await runRemote(script, server, folder, [
        `--allow-ffi=${cache}`,
        `--allow-read=${cache}`,
        `--allow-write=${cache}`,
        "--allow-run=c++,g++,clang++",
        "--allow-env=LONGLENS_*,HOME,XDG_CACHE_HOME",
        `--allow-net=${new URL(server.url).host}`,
      ]);
      assert(stdout.startsWith(`cpu true ${cache}/`), stdout + stderr);
      assertEquals(server.missing, []);
    }),
});

Deno.test("over http without --allow-run the error names it", () =>
  withServer(async (server, folder) => {
    const script = `
      import { openBackend } from "${server.url}ffi/open.ts";
      await openBackend({ backend: "cpu" }).catch((error) => console.log(error.message));
    `;
    const flags = ["--allow-ffi", "--allow-read", "--allow-write", "--allow-env"];
    const { stdout, stderr } = await runRemote(script, server, folder, flags);
    assertStringIncludes(stdout + stderr, "--allow-run=");
  }));

async function withServer(
  work: (server: PublishServer, folder: string) => Promise<void>,
): Promise<void> {
  const server = await servePublished();
  try {
    await inFolder((folder) => work(server, folder));
  } finally {
    await server.close();
  }
}

/** Runs a script with empty caches, but for npm packages. */
async function runRemote(
  script: string,
  server: PublishServer,
  folder: string,
  flags: readonly string[],
): Promise<Outcome> {
  await Deno.mkdir(`${folder}/deno`);
  await Deno.symlink(await npmCache(), `${folder}/deno/npm`);
  await Deno.mkdir(`${folder}/cache`);
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/bin/c++`, COPIER, { mode: 0o755 });
  const { LONGLENS_LIBRARY: _library, LONGLENS_CACHE: _cache, CXX: _cxx, ...rest } = Deno.env
    .toObject();
  const env = {
    ...rest,
    PATH: `${folder}/bin:${rest.PATH}`,
    DENO_DIR: `${folder}/deno`,
    XDG_CACHE_HOME: `${folder}/cache`,
  };
  return await runScript(script, {
    flags: [`--allow-import=${new URL(server.url).host}`, ...flags],
    env,
  });
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(npmCache, { recursive: true });
  return npmCache;
}
