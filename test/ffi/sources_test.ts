import { assertEquals } from "@std/assert";
import { compileUnits, isaUnits, SOURCES } from "../../ffi/sources.ts";

const KERNELS = new URL("../../kernels/", import.meta.url);

function filesOf(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, KERNELS))].map(({ name }) => `${folder}/${name}`);
}

Deno.test("SOURCES lists every file of kernels/include, kernels/common and kernels/cpu", () => {
  const files = [...filesOf("include"), ...filesOf("common"), ...filesOf("cpu")];
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

Deno.test("isaUnits() orders units so that the flags of each hold those of the one before", () => {
  for (const [i, { isa, flags }] of isaUnits("x86_64").entries()) {
    const before = isaUnits("x86_64")[i - 1]?.flags ?? [];
    assertEquals(before.filter((flag) => !flags.includes(flag)), [], isa);
  }
});

Deno.test("compileUnits() gives the units that are left out no flags", () => {
  const whole = compileUnits("x86_64");
  const lesser = compileUnits("x86_64", ["amx"]);
  const changed = whole.filter(({ flags }, i) => flags.join() !== lesser[i]!.flags.join());
  assertEquals(changed.map(({ path }) => path), ["cpu/amx.cpp"]);
  assertEquals(lesser.find(({ path }) => path === "cpu/amx.cpp")!.flags, []);
});
