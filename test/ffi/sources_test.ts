import { assertEquals } from "@std/assert";
import { compileUnits, SOURCES } from "../../ffi/sources.ts";

const KERNELS = new URL("../../kernels/", import.meta.url);

function filesOf(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, KERNELS))].map(({ name }) => `${folder}/${name}`);
}

Deno.test("SOURCES lists every file of kernels/cpu and kernels/include", () => {
  const files = [...filesOf("cpu"), ...filesOf("include")];
  assertEquals(Object.keys(SOURCES).toSorted(), files.toSorted());
});

Deno.test("SOURCES holds the text of the file it names", async () => {
  for (const [path, text] of Object.entries(SOURCES)) {
    assertEquals(text, await Deno.readTextFile(new URL(path, KERNELS)), path);
  }
});

Deno.test("compileUnits() lists every .cpp, with instruction sets on x86-64 only", () => {
  const flagsOf = (arch: string) =>
    Object.fromEntries(compileUnits(arch).map(({ path, flags }) => [path, flags.join(" ")]));
  const sources = Object.keys(SOURCES).filter((path) => path.endsWith(".cpp"));
  assertEquals(Object.keys(flagsOf("x86_64")), sources);
  assertEquals(Object.keys(flagsOf("aarch64")), sources);
  assertEquals(flagsOf("x86_64")["cpu/avx2.cpp"], "-mavx2 -mfma -mf16c");
  assertEquals(new Set(Object.values(flagsOf("aarch64"))), new Set([""]));
});
