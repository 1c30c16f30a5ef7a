import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { compile, findCompiler } from "../../ffi/compiler.ts";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { BackendError } from "../../ffi/errors.ts";
import { cpuLibrary, findBuilt, libraryFolders } from "../../ffi/library.ts";
import { openBackend } from "../../ffi/open.ts";
import { ABI_VERSION } from "../../ffi/symbols.ts";
import { inFolder } from "../in_folder.ts";
import { type ChildOptions, copyCheckout, type Outcome, ROOT, runScript } from "./child.ts";

const BUILD = libraryFolders()[0]!.path;
const ENV = "--allow-env=LONGLENS_*,CXX";
const ignore = await findBuilt([libraryFolders()[0]!], await cpuLibrary()) === null;
if (ignore) console.log(`Skips tests of the native library as none is built in ${BUILD}`);

/** Opens a backend of a checkout in a child and prints its name, its notice or its error. */
async function open(
  options: Record<string, unknown>,
  { flags, env, root = ROOT }: ChildOptions & { readonly root?: URL },
): Promise<Outcome> {
  const script = `
    import { openBackend } from "${new URL("ffi/open.ts", root)}";
    const onNotice = (text: string) => console.log("notice:", text);
    try {
      const backend = await openBackend({ onNotice, ...${JSON.stringify(options)} });
      const tensor = backend.tensor([2], "bf16", new Float32Array([1, 2]));
      console.log(backend.name, JSON.stringify(backend.info()), [...tensor.read()]);
    } catch (error) {
      console.log(error.name, error.message);
    }
  `;
  return await runScript(script, { flags, ...(env ? { env } : {}) });
}

/** A library of ABI version 77 and nothing else, or `null` without a compiler. */
async function buildOther(folder: string): Promise<string | null> {
  const [source, path] = [`${folder}/other.cpp`, `${folder}/other.so`];
  await Deno.writeTextFile(source, `extern "C" int ll_abi_version() { return 77; }`);
  const compiler = await findCompiler().catch(() => null);
  if (!compiler) return null;
  const args = [source, "-shared", "-fPIC", "-o", path];
  await compile(compiler, { args, cwd: folder, signal: new AbortController().signal });
  return path;
}

Deno.test("openBackend() gives the reference where it is asked for", async () => {
  assertEquals((await openBackend({ backend: "reference" })).name, "reference");
});

Deno.test({
  name: "openBackend() says why there is no cuda where no device answers",
  ignore: findCudaDevice().device !== null,
  fn: async () => {
    const { problem } = findCudaDevice();
    await assertRejects(() => openBackend({ backend: "cuda" }), BackendError, `as ${problem}`);
  },
});

Deno.test("openBackend() refuses other names, also those of LONGLENS_BACKEND", async () => {
  const { stdout } = await open({}, { flags: [ENV], env: { LONGLENS_BACKEND: "tpu" } });
  assertStringIncludes(stdout, "RangeError");
  assertStringIncludes(stdout, "current value is tpu");
});

Deno.test({
  name: "openBackend() needs no more than --allow-ffi and --allow-read of the build folder",
  ignore,
  fn: async () => {
    const flags = [`--allow-ffi=${BUILD}`, `--allow-read=${BUILD}`];
    const { stdout, stderr } = await open({ backend: "cpu" }, { flags });
    assert(stdout.startsWith("cpu {"), stdout + stderr);
    assert(stdout.endsWith("[ 1, 2 ]"), stdout + stderr);
  },
});

Deno.test({
  name: "openBackend() takes LONGLENS_THREADS and LONGLENS_ISA",
  ignore,
  fn: async () => {
    const env = { LONGLENS_THREADS: "3", LONGLENS_ISA: "portable" };
    const { stdout } = await open({}, { flags: ["--allow-ffi", "--allow-read", ENV], env });
    assertStringIncludes(stdout, `"isa":"portable"`);
    assertStringIncludes(stdout, `"threads":3`);
  },
});

Deno.test({
  name: "openBackend() refuses threads that are no number, and an isa that is none",
  ignore,
  fn: async () => {
    const flags = ["--allow-ffi", "--allow-read", ENV];
    const threads = await open({}, { flags, env: { LONGLENS_THREADS: "many" } });
    assertStringIncludes(threads.stdout, "RangeError");
    assertStringIncludes(threads.stdout, "current value is many");
    const isa = await open({ isa: "mmx" }, { flags });
    assertStringIncludes(isa.stdout, "RangeError");
    assertStringIncludes(isa.stdout, "mmx");
  },
});

Deno.test("openBackend() without --allow-ffi names it", async () => {
  const { stdout } = await open({ backend: "cpu" }, { flags: ["--allow-read", ENV] });
  assertStringIncludes(stdout, "LibraryError");
  assertStringIncludes(stdout, "--allow-ffi");
});

Deno.test("openBackend() without --allow-read names it", async () => {
  const { stdout } = await open({ backend: "cpu" }, { flags: ["--allow-ffi", ENV] });
  assertStringIncludes(stdout, "LibraryError");
  assertStringIncludes(stdout, "--allow-read");
});

Deno.test("openBackend() without any permission gives the reference and one notice", async () => {
  const { stdout } = await open({}, { flags: [] });
  const [notice, backend, ...more] = stdout.split("\n");
  assertStringIncludes(notice!, "notice: Longlens runs on its slow reference backend");
  assertStringIncludes(notice!, "--allow-ffi");
  assert(backend!.startsWith("reference"), stdout);
  assertEquals(more, []);
});

Deno.test("openBackend() without a compiler gives the reference and says so, or throws for cpu", () =>
  inFolder(async (folder) => {
    const child = { root: await copyCheckout(folder), flags: ["-A"], env: { PATH: "/nowhere" } };
    const auto = await open({}, child);
    assertStringIncludes(auto.stdout, "No C++ compiler answers: tried c++, g++, clang++");
    assertStringIncludes(auto.stdout, "\nreference {");
    const cpu = await open({ backend: "cpu" }, child);
    assert(cpu.stdout.startsWith("LibraryError"), cpu.stdout);
  }));

Deno.test("openBackend() names the flags that building needs", () =>
  inFolder(async (folder) => {
    const root = await copyCheckout(folder);
    const { stdout } = await open({ backend: "cpu" }, {
      root,
      flags: ["--allow-ffi", "--allow-read"],
    });
    assertStringIncludes(stdout, `--allow-write=${folder}/.build`);
    assertStringIncludes(stdout, "--allow-run=c++,g++,clang++");
  }));

Deno.test("openBackend() refuses a library of another ABI version and names both numbers", () =>
  inFolder(async (folder) => {
    const path = await buildOther(folder);
    if (path === null) return;
    const { stdout } = await open({}, { flags: ["-A"], env: { LONGLENS_LIBRARY: path } });
    assertStringIncludes(stdout, "LibraryError");
    assertStringIncludes(stdout, `must be ${ABI_VERSION}: current value is 77`);
  }));

Deno.test("openBackend() throws for a LONGLENS_LIBRARY that is no library", () =>
  inFolder(async (folder) => {
    const path = `${folder}/text.so`;
    await Deno.writeTextFile(path, "text");
    const { stdout } = await open({}, { flags: ["-A"], env: { LONGLENS_LIBRARY: path } });
    assertStringIncludes(stdout, `LibraryError Cannot load ${path}`);
  }));
