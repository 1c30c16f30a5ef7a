/** Files of pages of the native library of the CPU: how pages are taken, given back and cleared, and what is refused. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { PageFile } from "../../ffi/backend.ts";
import { BackendError, BudgetError, ShapeError } from "../../ffi/errors.ts";
import type { NativeBackend } from "../../ffi/native_backend.ts";
import type { NativePage } from "../../ffi/native_pages.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { openOr } from "../engine/tiny_model.ts";
import { inFolder } from "../in_folder.ts";
import { densePlan } from "../kernels/make_plans.ts";
import { Scope } from "../kernels/scope.ts";
import { outputs } from "../kernels/shapes.ts";
import { ROOT, runScript } from "./child.ts";

const SPEC = { dim: 4, dtype: "f32" } as const;
const PAGE_BYTES = 2 * 256 * 4 * 4 + 4 * 256;

const backend = await openOr("cpu") as NativeBackend | null;
if (!backend) console.log("Skips files of pages as there is no native library here");

function test(name: string, body: (backend: NativeBackend, path: string) => Promise<void> | void) {
  const fn = () => inFolder(async (folder) => await body(backend!, `${folder}/pages`));
  Deno.test({ name, ignore: !backend, fn });
}

function bytesOf(page: NativePage): Uint8Array {
  const bytes = new Uint8Array(page.sizeBytes);
  backend!.library.symbols.ll_copy_out(bytes, page.address, BigInt(bytes.length));
  return bytes;
}

function fill(page: NativePage, value: number): void {
  const bytes = new Uint8Array(page.sizeBytes).fill(value);
  backend!.library.symbols.ll_copy_in(page.address, bytes, BigInt(bytes.length));
}

function pageOf(file: PageFile): NativePage {
  return file.page() as NativePage;
}

test("page() of a file is zeroed, of its tier, and counted", (backend, path) => {
  const before = backend.allocatedBytes();
  const file = backend.pageFile(SPEC, { path });
  const page = pageOf(file);
  assertEquals([page.tier, page.sizeBytes, file.pageBytes], ["file", PAGE_BYTES, PAGE_BYTES]);
  assertEquals(bytesOf(page).some((byte) => byte !== 0), false);
  assertEquals([backend.allocatedBytes("file"), file.usedBytes], [PAGE_BYTES, PAGE_BYTES]);
  assertEquals(backend.allocatedBytes(), before + PAGE_BYTES);
  page.close();
  page.close();
  assertEquals([backend.allocatedBytes("file"), file.usedBytes], [0, 0]);
  file.close();
});

test("page() takes closed pages again, zeroed, and no more than the limit", (backend, path) => {
  const file = backend.pageFile(SPEC, { path, limitBytes: 4 * PAGE_BYTES + 1 });
  const pages = Array.from({ length: 4 }, () => pageOf(file));
  pages.forEach((page, x) => fill(page, x + 1));
  const full = `may take ${4 * PAGE_BYTES + 1} bytes: current value is ${4 * PAGE_BYTES}`;
  assertThrows(() => file.page(), BudgetError, full);
  const addresses = [1, 2].map((x) => pages[x]!.address);
  for (const x of [1, 2]) pages[x]!.close();
  const again = [pageOf(file), pageOf(file)];
  assertEquals(new Set(again.map(({ address }) => address)), new Set(addresses));
  for (const page of again) assertEquals(bytesOf(page).some((byte) => byte !== 0), false);
  assertThrows(() => file.page(), BudgetError, full);
  for (const x of [0, 3]) assertEquals(bytesOf(pages[x]!).every((byte) => byte === x + 1), true);
  file.close();
});

test("pages keep their bytes through any taking and giving back", (backend, path) => {
  const property = fc.property(fc.array(fc.nat(), { maxLength: 400 }), (choices) => {
    const file = backend.pageFile(SPEC, { path });
    const open: { page: NativePage; value: number }[] = [];
    choices.forEach((choice, x) => {
      if (choice % 3 === 0 && open.length > 0) {
        open.splice(choice % open.length, 1)[0]!.page.close();
      } else {
        open.push({ page: pageOf(file), value: x % 251 });
        fill(open.at(-1)!.page, x % 251);
      }
    });
    for (const { page, value } of open) assertEquals(bytesOf(page).every((b) => b === value), true);
    assertEquals(file.usedBytes, open.length * PAGE_BYTES);
    file.close();
    assertEquals(backend.allocatedBytes("file"), 0);
  });
  fc.assert(property, { seed: 4, numRuns: 10 });
});

test("pages of odd sizes are aligned", (backend, path) => {
  const file = backend.pageFile({ dim: 5, dtype: "int8" }, { path });
  const pages = Array.from({ length: 300 }, () => pageOf(file));
  assertEquals(pages.every(({ address }) => address % 64n === 0n), true);
  assertEquals(new Set(pages.map(({ address }) => address)).size, 300);
  file.close();
});

test("copyPage() copies into the same file", (backend, path) => {
  const file = backend.pageFile(SPEC, { path });
  const page = pageOf(file);
  fill(page, 7);
  const copy = backend.copyPage(page, SPEC);
  assertEquals([copy.tier, file.usedBytes], ["file", 2 * PAGE_BYTES]);
  assertEquals(bytesOf(copy), bytesOf(page));
  file.close();
});

test("close() closes the pages of a file", (backend, path) => {
  const file = backend.pageFile(SPEC, { path });
  const page = pageOf(file);
  file.close();
  file.close();
  assert(page.closed);
  page.close();
  assertEquals(backend.allocatedBytes("file"), 0);
  assertThrows(() => backend.pageTable(1, SPEC).set(0, 0, page), ShapeError, "page must be open");
  assertThrows(() => file.page(), BackendError, "as its file is closed");
});

test("a page that is closed during a call is taken again only after it", async (backend, path) => {
  using scope = new Scope(backend);
  const file = scope.keep(backend.pageFile({ dim: 64, dtype: "f32" }, { path }));
  const [tokens, heads, dim] = [1024, 8, 64];
  const table = backend.pageTable(1, { dim, dtype: "f32" });
  const pages = Array.from({ length: 16 }, () => pageOf(file));
  pages.forEach((page, x) => table.set(0, x, page));
  const plan = densePlan({ tokens, qStart: 3 * tokens, kvLength: 4 * tokens });
  const q = scope.tensor([tokens, heads, dim]);
  const kv = { table, length: 4 * tokens };
  const out = outputs(scope, tokens, heads, dim);
  const done = backend.attendTiles(q, 3 * tokens, 1, kv, Array(heads).fill(plan), out);
  assert(done instanceof Promise, "a long call must leave the event loop");
  const { address } = pages[3]!;
  pages[3]!.close();
  assertNotEquals(pageOf(file).address, address);
  await done;
  assertEquals(pageOf(file).address, address);
});

test("a file has no name, so that its path can be taken again", async (backend, path) => {
  const [first, second] = [backend.pageFile(SPEC, { path }), backend.pageFile(SPEC, { path })];
  fill(pageOf(first), 1);
  const page = pageOf(second);
  assertEquals(bytesOf(page).some((byte) => byte !== 0), false);
  await assertMissing(path);
  first.close();
  second.close();
  await assertMissing(path);
});

async function assertMissing(path: string): Promise<void> {
  const found = await Deno.stat(path).then(() => true, () => false);
  assertEquals(found, false);
}

test("pageFile() refuses what is there already, and leaves it", async (backend, path) => {
  await Deno.writeTextFile(path, "mine");
  await Deno.symlink(`${path}.not`, `${path}.link`);
  for (const taken of [path, `${path}.link`]) {
    assertThrows(() => backend.pageFile(SPEC, { path: taken }), BackendError, "File exists");
  }
  assertEquals(await Deno.readTextFile(path), "mine");
  await assertMissing(`${path}.not`);
  const nowhere = `${path}.folder/pages`;
  assertThrows(() => backend.pageFile(SPEC, { path: nowhere }), BackendError, "No such file");
});

test("pageFile() refuses limits and specs that are none", (backend, path) => {
  for (const limitBytes of [-1, NaN]) {
    const wrong = () => backend.pageFile(SPEC, { path, limitBytes });
    assertThrows(wrong, RangeError, `limitBytes must be >= 0: current value is ${limitBytes}`);
  }
  assertThrows(() => backend.pageFile({ ...SPEC, dim: 0 }, { path }), ShapeError, "spec.dim");
});

Deno.test("pageFile() of the reference backend is refused", () => {
  assertThrows(
    () => openReferenceBackend().pageFile(SPEC, { path: "/nowhere" }),
    BackendError,
    "as the backend must be cpu: current value is reference",
  );
});

test("pageFile() names the permissions that it lacks", async (_, path) => {
  const script = `
    import { openBackend } from "${new URL("ffi/open.ts", ROOT)}";
    const backend = await openBackend({ backend: "cpu" });
    const spec = { dim: 4, dtype: "f32" };
    try {
      backend.pageFile(spec, { path: ${JSON.stringify(path)} }).page();
      console.log("made");
    } catch (error) {
      console.log(error.message);
    }
  `;
  const build = new URL(".build", ROOT).pathname;
  const plain = ["--allow-ffi", "--allow-env=LONGLENS_LIBRARY"];
  const { library } = backend!;
  const run = async (read: string, ...more: string[]) => {
    const flags = [...plain, `--allow-read=${build},${read}`, ...more];
    const env = { LONGLENS_LIBRARY: library.path };
    const { stdout, stderr } = await runScript(script, { flags, env });
    return stdout || stderr;
  };
  const start = `Cannot create a file of pages at ${path} without `;
  assertEquals(await run(build), `${start}--allow-read=${path} --allow-write=${path}`);
  assertEquals(await run(path), `${start}--allow-write=${path}`);
  assertEquals(await run(path, `--allow-write=${path}`), "made");
});

Deno.test({
  name: "a file that is lost is given back with what it counted",
  ignore: !backend || Deno.build.os !== "linux",
  fn: lostFile,
});

async function lostFile(): Promise<void> {
  const script = `
    import { openBackend } from "${new URL("ffi/open.ts", ROOT)}";
    const backend = await openBackend({ backend: "cpu" });
    const path = await Deno.makeTempDir() + "/pages";
    (() => backend.pageFile({ dim: 4, dtype: "f32" }, { path }).page())();
    const files = () => [...Deno.readDirSync("/proc/self/fd")]
      .map(({ name }) => { try { return Deno.readLinkSync("/proc/self/fd/" + name); } catch { return ""; } })
      .filter((target) => target.startsWith(path)).length;
    const before = files();
    for (let i = 0; i < 50 && backend.allocatedBytes() > 0; i++) { gc(); await new Promise((r) => setTimeout(r, 5)); }
    console.log(before, files(), backend.allocatedBytes());
    await Deno.remove(path.slice(0, -6));
  `;
  const env = { LONGLENS_LIBRARY: backend!.library.path };
  const flags = ["-A", "--v8-flags=--expose-gc"];
  const { stdout, stderr } = await runScript(script, { flags, env });
  assertEquals(stdout, "1 0 0", stderr);
}
