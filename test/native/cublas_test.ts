/** What the CUDA library tells cuBLASLt, against a fake of it over emulated CUDA. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { compile } from "../../ffi/compiler.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { assertClose } from "../kernels/tolerance.ts";
import { setup } from "../setup.ts";
import { emulatedCudaLibrary } from "./build_emulated_cuda.ts";
import type { Products } from "./cublas_products.ts";

const FAKE = fileURLToPath(new URL("fake_cublas_lt.cpp", import.meta.url));
const SCRIPT = fileURLToPath(new URL("cublas_products.ts", import.meta.url));
/** The logits of 44, and four of the layer's output: the fake refuses widths that are a multiple of 3. */
const FAKED = 5;
/** Rounded activations may differ by their last bit where the sums before do: that of one in some of 40 terms. */
const ONE_BIT = 4e-3;

const [library, compiler] = [await emulatedCudaLibrary(), await compilerOrNull()];
const ignore = library === null || compiler === null;

Deno.test({
  name: "cuBLASLt computes what the library's own kernel computes, which takes what it refuses",
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "longlens-cublas-" });
    try {
      const fake = await buildFake(folder);
      const [own, cublas] = [await run(folder, fake, "off"), await run(folder, fake, fake)];
      assertEquals([own.faked, cublas.faked], [0, FAKED]);
      for (const [name, wanted] of Object.entries(own.results)) {
        const [actual, expected] = [cublas.results[name]!, wanted].map(({ width, values }) => (
          { name, width, values: Float32Array.from(values) }
        ));
        assertClose(actual!, expected!, name === "output" ? ONE_BIT : 1e-6);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

async function buildFake(cwd: string): Promise<string> {
  const args = ["-std=c++20", "-O1", "-shared", "-fPIC", FAKE, "-o", "libfake.so"];
  await compile(compiler!, { args, cwd, signal: new AbortController().signal });
  return `${cwd}/libfake.so`;
}

/** In a program of its own, as the library looks for cuBLASLt once. */
async function run(folder: string, fake: string, cublas: string): Promise<Products> {
  const { flags } = await setup(folder);
  const args = ["run", "--allow-all", "--quiet", ...flags, SCRIPT, library!, fake];
  const env = { LONGLENS_CUBLAS: cublas };
  const child = new Deno.Command(Deno.execPath(), { args, env, stderr: "inherit" });
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Cannot compute products: see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}
