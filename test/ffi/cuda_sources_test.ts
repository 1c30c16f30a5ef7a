import { assert, assertEquals } from "@std/assert";
import {
  CUDA_SOURCES,
  CUDA_TARGETS,
  cudaFlags,
  cudaUnits,
  targetOf,
} from "../../ffi/cuda_sources.ts";

const KERNELS = new URL("../../kernels/", import.meta.url);

function filesOf(folder: string): string[] {
  const names = [...Deno.readDirSync(new URL(folder, KERNELS))].map(({ name }) => name);
  return names.filter((name) => !name.endsWith(".md")).map((name) => `${folder}/${name}`);
}

/** Files that the file at `path` includes, by their paths in `kernels/`. */
function includes(path: string, text: string): string[] {
  const quoted = [...text.matchAll(/#include "([^"]*)"/g)].map(([, name]) => name!);
  return quoted.map((name) => new URL(name, new URL(path, KERNELS)).href.slice(KERNELS.href.length))
    .filter((name) => !name.startsWith("cuda/emulated_"));
}

Deno.test("CUDA_SOURCES lists every file of kernels/cuda and kernels/common", () => {
  const listed = Object.keys(CUDA_SOURCES).filter((path) => /^(cuda|common)\//.test(path));
  assertEquals(listed.toSorted(), [...filesOf("cuda"), ...filesOf("common")].toSorted());
});

Deno.test("CUDA_SOURCES holds the text of the file it names, and every file that those include", async () => {
  for (const [path, text] of Object.entries(CUDA_SOURCES)) {
    assertEquals(text, await Deno.readTextFile(new URL(path, KERNELS)), path);
    for (const name of includes(path, text)) {
      assert(CUDA_SOURCES[name] !== undefined, `${path} includes ${name}`);
    }
  }
});

Deno.test("cudaUnits() lists every .cu and .cpp", () => {
  const units = Object.keys(CUDA_SOURCES).filter((path) =>
    path.endsWith(".cu") || path.endsWith(".cpp")
  );
  assertEquals(cudaUnits().toSorted(), units.toSorted());
});

Deno.test("targetOf() gives the code that runs on a device, or none", () => {
  const cases = { "7.5": null, "8.0": "sm_80", "8.6": "sm_86", "8.7": "sm_86", "8.9": "sm_89" };
  for (
    const [capability, target] of Object.entries({
      ...cases,
      "9.0": "sm_90a",
      "10.0": "ptx",
      "12.1": "ptx",
    })
  ) {
    assertEquals(targetOf(capability), target, capability);
  }
});

Deno.test("cudaFlags() makes code of each target and the intermediate code of the newest", () => {
  const codes = cudaFlags(CUDA_TARGETS).filter((flag) => flag.startsWith("-gencode"));
  assertEquals(codes, [
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_86,code=sm_86",
    "-gencode=arch=compute_89,code=sm_89",
    "-gencode=arch=compute_90a,code=sm_90a",
    "-gencode=arch=compute_90,code=compute_90",
  ]);
});
