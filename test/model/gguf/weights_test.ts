import { assertEquals } from "@std/assert";
import type { Tensor } from "../../../ffi/backend.ts";
import { ModelFormatError, TokenizerError } from "../../../ffi/errors.ts";
import { openBackend } from "../../../ffi/open.ts";
import { loadConfig } from "../../../lib/model/config.ts";
import { describeModel } from "../../../lib/model/describe.ts";
import { ggufCheckpoint } from "../../../lib/model/gguf/checkpoint.ts";
import { readGgufConfig } from "../../../lib/model/gguf/config.ts";
import { readGgufModel } from "../../../lib/model/gguf/model_file.ts";
import { unpairedRow } from "../../../lib/model/rotary_rows.ts";
import type { ModelWeights } from "../../../lib/model/types.ts";
import { loadWeights } from "../../../lib/model/weights.ts";
import { fixture } from "../fixtures.ts";
import { FILES } from "./files.ts";
import { testModel } from "./test_models.ts";

const backend = await openBackend({ backend: "reference" });

async function load(path: string): Promise<ModelWeights> {
  if (!path.endsWith(".gguf")) return await loadWeights(path, await loadConfig(path), backend);
  const model = await readGgufModel(path);
  return await loadWeights(ggufCheckpoint(model), await readGgufConfig(model), backend);
}

function allTensors({ embed, head, norm, layers }: ModelWeights): Map<string, Tensor> {
  const tensors = new Map([["embed", embed], ["head", head], ["norm", norm]]);
  for (const [layer, { qkv, output }] of layers.entries()) {
    for (const [name, part] of Object.entries({ ...qkv, ...{ ffn: output.norm }, ...output })) {
      if (typeof part === "object" && part !== null) tensors.set(`${layer}.${name}`, part);
    }
  }
  return tensors;
}

for (const [name, file] of Object.entries(FILES)) {
  Deno.test(`loadWeights() gives tensors of ${file} the values of the safetensors file`, async () => {
    const before = backend.allocatedBytes();
    const [found, expected] = [await load(fixture(`gguf/${file}`)), await load(fixture(name))];
    const theirs = allTensors(expected);
    assertEquals(allTensors(found).size, theirs.size);
    for (const [name, tensor] of allTensors(found)) {
      assertEquals(tensor.shape, theirs.get(name)!.shape, name);
      assertEquals(tensor.read(), theirs.get(name)!.read(), name);
    }
    assertEquals(found.sizeBytes, expected.sizeBytes);
    found.close();
    expected.close();
    assertEquals(backend.allocatedBytes(), before);
  });
}

for (
  const [name, types] of [
    ["smollm2", ["q8_0", "q4_1", "q4_1", "q4_1"]],
    ["gemma3", ["q8_0", "q5_0", "q5_0", "q6_k"]],
  ] as const
) {
  const path = await testModel(name);
  Deno.test({
    name: `loadWeights() keeps the blocks of ${name} as they are stored`,
    ignore: path === null,
    fn: async () => {
      const cpu = await openBackend({ backend: "auto" });
      const model = await readGgufModel(path!);
      const weights = await loadWeights(ggufCheckpoint(model), await readGgufConfig(model), cpu);
      const [{ qkv, output }] = weights.layers as [ModelWeights["layers"][0]];
      const found = [weights.embed, qkv.wq, output.wGate, output.wDown].map(({ dtype }) => dtype);
      weights.close();
      assertEquals(found, types as unknown as typeof found);
    },
  });
}

Deno.test("unpairedRow() takes each row once and brings pairs half a head apart", () => {
  const dim = 8;
  const rows = Array.from({ length: 3 * dim }, (_, row) => unpairedRow(row, dim));
  assertEquals(rows.slice(dim, 2 * dim), [8, 10, 12, 14, 9, 11, 13, 15]);
  assertEquals(new Set(rows).size, 3 * dim);
});

Deno.test("describeModel() reads a mutated file or refuses it with a typed error", async () => {
  const bytes = await Deno.readFile(fixture("gguf/llama.gguf"));
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  let refused = 0;
  try {
    for (let at = 24; at < 2400; at += 5) {
      const copy = bytes.slice();
      copy[at]! ^= 1 << (at % 8);
      await Deno.writeFile(path, copy);
      refused += await isRefused(path) ? 1 : 0;
    }
  } finally {
    await Deno.remove(path);
  }
  assertEquals(refused > 50, true);
});

async function isRefused(path: string): Promise<boolean> {
  try {
    await describeModel(path);
    return false;
  } catch (error) {
    if (error instanceof ModelFormatError || error instanceof TokenizerError) return true;
    throw error;
  }
}
