import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { ModelFormatError } from "../../../ffi/errors.ts";
import { loadConfig } from "../../../lib/model/config.ts";
import { readGgufConfig } from "../../../lib/model/gguf/config.ts";
import { GgufMetadata, type GgufValue } from "../../../lib/model/gguf/metadata.ts";
import { type GgufModel, readGgufModel } from "../../../lib/model/gguf/model_file.ts";
import { ropeFrequencies } from "../../../lib/model/rope.ts";
import type { ModelConfig, RopeConfig } from "../../../lib/model/types.ts";
import { fixture } from "../fixtures.ts";
import { FILES } from "./files.ts";
import { testModel } from "./test_models.ts";

/** The fixture `name` with some pairs changed; `undefined` takes one away. */
async function changed(
  name: keyof typeof FILES,
  changes: Readonly<Record<string, GgufValue | undefined>>,
): Promise<GgufModel> {
  const model = await readGgufModel(fixture(`gguf/${FILES[name]}`));
  const { metadata } = model;
  const pairs = new Map(metadata.keys.map((key) => [key, metadata.get(key)!]));
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) pairs.delete(key);
    else pairs.set(key, value);
  }
  return { ...model, metadata: new GgufMetadata("x.gguf", pairs) };
}

/** What is stored as f32 differs in its last digits. */
function assertClose(found: ModelConfig, expected: ModelConfig): void {
  const { rope, eps, scale, ...others } = found;
  const { rope: expectedRope, eps: expectedEps, scale: expectedScale, ...rest } = expected;
  assertEquals(others, rest);
  assertAlmostEquals(eps, expectedEps, 1e-12);
  assertAlmostEquals(scale, expectedScale, 1e-7);
  assertSameRope(rope, expectedRope);
}

function assertSameRope(found: RopeConfig, expected: RopeConfig): void {
  assertEquals([found.theta, found.rot], [expected.theta, expected.rot]);
  for (const contextTokens of [16, 64]) {
    const [a, b] = [found, expected].map((rope) => ropeFrequencies(rope, contextTokens));
    assertAlmostEquals(a!.attentionFactor, b!.attentionFactor, 1e-6);
    for (const [i, inverse] of a!.inverse.entries()) {
      assertAlmostEquals(inverse, b!.inverse[i]!, 1e-6 * inverse);
    }
  }
}

for (const [name, file] of Object.entries(FILES)) {
  Deno.test(`readGgufConfig() reads of ${file} what config.json says`, async () => {
    const expected = await loadConfig(fixture(name));
    const found = await readGgufConfig(await readGgufModel(fixture(`gguf/${file}`)));
    // the control token <end_of_turn> of the vocabulary ends a text, too
    assertEquals(found.eosIds, [...expected.eosIds, 7]);
    assertClose({ ...found, eosIds: expected.eosIds }, expected);
  });
}

Deno.test("readGgufModel() takes any file of a split model for all of them", async () => {
  const [first, second] = await Promise.all(
    ["00001", "00002"].map((part) => readGgufModel(fixture(`gguf/qwen2-${part}-of-00002.gguf`))),
  );
  assertEquals([...first!.tensors], [...second!.tensors]);
  assertEquals(first!.path, second!.path);
  assertEquals(new Set([...first!.tensors.values()].map(({ path }) => path)).size, 2);
});

Deno.test("readGgufModel() refuses a split model whose files are lacking or foreign", async () => {
  const folder = await Deno.makeTempDir();
  const path = (part: number) => `${folder}/m-0000${part}-of-00002.gguf`;
  try {
    const parts = [1, 2].map((part) => fixture(`gguf/qwen2-0000${part}-of-00002.gguf`));
    await Deno.copyFile(parts[0]!, path(1));
    await assertRejects(() => readGgufModel(path(1)), ModelFormatError, "it does not exist");
    await Deno.copyFile(parts[0]!, path(2));
    await assertRejects(() => readGgufModel(path(1)), ModelFormatError, "split.no must be 1");
    await Deno.copyFile(fixture("gguf/llama.gguf"), path(2));
    await assertRejects(() => readGgufModel(path(1)), ModelFormatError, "split.count must be 2");
    await Deno.copyFile(parts[1]!, `${folder}/alone.gguf`);
    const alone = readGgufModel(`${folder}/alone.gguf`);
    await assertRejects(() => alone, ModelFormatError, "split.count must be 1");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readGgufConfig() gives Gemma 3 six layers a turn and its two bases where a file is silent", async () => {
  const silent = await changed("gemma3", {
    "gemma3.attention.sliding_window_pattern": undefined,
    "gemma3.attention.scale": undefined,
    "gemma3.rope.freq_base": undefined,
    "gemma3.rope.scaling.type": undefined,
    "gemma3.rope.scaling.factor": undefined,
    "gemma3.block_count": 12,
  });
  const { windows, rope, localRope, scale, embedScale } = await readGgufConfig(silent);
  assertEquals(windows, [0, 1].flatMap(() => [9, 9, 9, 9, 9, null]));
  assertEquals(rope, { theta: 1e6, rot: 12, scaling: { type: "default" } });
  assertEquals(localRope, { theta: 1e4, rot: 12, scaling: { type: "default" } });
  assertEquals([scale, embedScale], [1 / Math.sqrt(12), Math.sqrt(32)]);
});

Deno.test("readGgufConfig() scales the scores of Gemma 3 27B by its width over its heads", async () => {
  const large = await changed("gemma3", {
    "gemma3.attention.scale": undefined,
    "gemma3.block_count": 62,
  });
  assertEquals((await readGgufConfig(large)).scale, 1 / Math.sqrt(32 / 4));
});

Deno.test("readGgufConfig() takes a list of layers with a window, and another local base", async () => {
  const listed = await changed("gemma3", {
    "gemma3.attention.sliding_window_pattern": new Uint8Array([0, 1, 1]),
    "gemma3.rope.freq_base_swa": 5000,
  });
  const { windows, localRope } = await readGgufConfig(listed);
  assertEquals(windows, [null, 9, 9]);
  assertEquals(localRope?.theta, 5000);
});

Deno.test("readGgufConfig() refuses experts by name", async () => {
  const experts = { "llama.expert_count": 8 };
  const message = "mixtures of experts are not supported";
  await assertRejects(
    async () => readGgufConfig(await changed("llama", experts)),
    ModelFormatError,
    message,
  );
  const other = { "general.architecture": "qwen3moe", "qwen3moe.expert_count": 128 };
  await assertRejects(
    async () => readGgufConfig(await changed("llama", other)),
    ModelFormatError,
    message,
  );
});

Deno.test("readGgufConfig() refuses what it does not compute or cannot be, and says where", async () => {
  const cases: [changes: Record<string, GgufValue | undefined>, message: string][] = [
    [{ "general.architecture": "mamba" }, "general.architecture must be one of llama, qwen2"],
    [{ "general.architecture": 3 }, "general.architecture must be a text"],
    [{ "llama.attention.causal": false }, "llama.attention.causal must be true"],
    [{ "llama.attn_logit_softcapping": 30 }, "llama.attn_logit_softcapping must be 0"],
    [{ "llama.rope.dimension_count": 4 }, "must be 8 (all of a head)"],
    [{ "llama.rope.scaling.type": "yarn" }, "must be none beside rope_freqs.weight"],
    [{ "llama.attention.key_length": 8 }, "keys and values must be of one length"],
    [{ "llama.embedding_length": undefined }, "llama.embedding_length must be there"],
    [{ "llama.block_count": 2 ** 20 }, "num_hidden_layers is not valid"],
    [{ "llama.attention.head_count_kv": 3 }, "must divide num_attention_heads"],
    [{ "llama.attention.head_count": new Int32Array([4, 4]) }, "must be a finite number"],
    [{ "llama.context_length": NaN }, "must be a finite number"],
    [{ "tokenizer.ggml.eos_token_id": 88 }, "must be below 88"],
  ];
  for (const [changes, message] of cases) {
    await assertRejects(
      async () => readGgufConfig(await changed("llama", changes)),
      ModelFormatError,
      message,
    );
  }
});

for (const name of ["smollm2", "gemma3"] as const) {
  const path = await testModel(name);
  Deno.test({
    name: `readGgufConfig() reads the configuration of ${name}`,
    ignore: path === null,
    fn: async () => {
      const config = await readGgufConfig(await readGgufModel(path!));
      const { layers, hidden, heads, kvHeads, dim, ffn, vocab, rope, windows, eosIds } = config;
      const shape = [layers, hidden, heads, kvHeads, dim, ffn, vocab, rope.theta, windows[0]];
      assert(config.tiedEmbeddings);
      if (name === "smollm2") {
        assertEquals(shape, [30, 576, 9, 3, 64, 1536, 49152, 100_000, null]);
        assertEquals(eosIds, [2, 0]);
      } else {
        assertEquals(shape, [18, 640, 4, 1, 256, 2048, 262_144, 1e6, 512]);
        assertEquals(eosIds, [1, 106]);
        assertEquals(windows.filter((window) => window === null).length, 3);
        assertEquals([config.activation, config.scale], ["gelu_tanh", 1 / 16]);
      }
    },
  });
}
