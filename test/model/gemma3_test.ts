import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { ModelFormatError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { readFolderCheckpoint } from "../../lib/model/checkpoint.ts";
import { loadConfig, readConfig } from "../../lib/model/config.ts";
import { loadWeights } from "../../lib/model/weights.ts";
import { fixture } from "./fixtures.ts";

const GEMMA3 = {
  model_type: "gemma3_text",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 7,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 1000,
  max_position_embeddings: 512,
};
const [S, F] = ["sliding_attention", "full_attention"];

Deno.test("readConfig() fills in what transformers assumes of Gemma 3", async () => {
  const config = await readConfig(GEMMA3);
  assertEquals(config.family, "gemma3_text");
  assertEquals([config.dim, config.activation, config.tiedEmbeddings], [256, "gelu_tanh", true]);
  assertEquals(config.windows, [4096, 4096, 4096, 4096, 4096, null, 4096]);
  assertEquals(config.rope, { theta: 1e6, rot: 256, scaling: { type: "default" } });
  assertEquals(config.localRope, { theta: 1e4, rot: 256, scaling: { type: "default" } });
  assertEquals([config.embedScale, config.scale], [8, 1 / 16]);
  assertEquals(config.eosIds, [1]);
  const { layers, vocab, maxPositions } = await readConfig({ model_type: "gemma3_text" });
  assertEquals([layers, vocab, maxPositions], [26, 262_208, 131_072]);
});

Deno.test("readConfig() reads both spellings of Gemma 3's layers and rope parameters alike", async () => {
  const shared = { ...GEMMA3, num_hidden_layers: 3, sliding_window: 9 };
  const older = await readConfig({
    ...shared,
    sliding_window_pattern: 2,
    rope_theta: 5e5,
    rope_local_base_freq: 5e3,
    rope_scaling: { rope_type: "linear", factor: 8 },
  });
  const newer = await readConfig({
    ...shared,
    layer_types: [S, F, S],
    rope_parameters: {
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 5e5 },
      sliding_attention: { rope_type: "default", rope_theta: 5e3 },
    },
  });
  assertEquals(newer, older);
  assertEquals(older.windows, [9, null, 9]);
  assertEquals(older.rope.scaling, { type: "linear", factor: 8 });
  assertEquals(older.localRope?.theta, 5e3);
});

Deno.test("readConfig() reads the language model of a Gemma 3 that also sees", async () => {
  const { model_type: _, ...text_config } = GEMMA3;
  const found = await readConfig({
    model_type: "gemma3",
    text_config,
    vision_config: { hidden_size: 3 },
    eos_token_id: [1, 106],
  });
  assertEquals(found, { ...await readConfig(GEMMA3), eosIds: [1, 106] });
});

Deno.test("readConfig() refuses Gemmas that compute something else", async () => {
  for (const field of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    const json = { ...GEMMA3, [field]: 30 };
    await assertRejects(() => readConfig(json), ModelFormatError, `${field} is not supported`);
  }
  const json = { ...GEMMA3, use_bidirectional_attention: true };
  await assertRejects(() => readConfig(json), ModelFormatError, "is not supported");
  const short = { ...GEMMA3, layer_types: [S, F] };
  await assertRejects(() => readConfig(short), ModelFormatError, "layer_types must name 7 layers");
});

for (
  const [stored, name] of [["language_model.model.", "model."], ["model.language_model.", "model."]]
) {
  Deno.test(`readFolderCheckpoint() takes ${stored} of Gemma 3 for ${name}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.copyFile(fixture("gemma3/config.json"), join(folder, "config.json"));
      await renameTensors(fixture("gemma3"), folder, (tensor) => tensor.replace(name!, stored!));
      const config = await loadConfig(folder);
      const found = await readFolderCheckpoint(folder, config);
      const expected = await readFolderCheckpoint(fixture("gemma3"), config);
      assertEquals([...found.tensors.keys()].sort(), [...expected.tensors.keys()].sort());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("loadWeights() refuses a Gemma 3 of other layers than its configuration says", async () => {
  const backend = await openBackend({ backend: "reference" });
  const config = await loadConfig(fixture("gemma3"));
  const other = { ...config, layers: 2 };
  const load = loadWeights(fixture("gemma3"), other, backend);
  await assertRejects(() => load, ModelFormatError, "a gemma3_text of 2 layers has no such tensor");
});

/** Writes the weights of a folder into another under changed names. */
async function renameTensors(
  from: string,
  to: string,
  rename: (name: string) => string,
): Promise<void> {
  const bytes = await Deno.readFile(join(from, "model.safetensors"));
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const renamed = Object.entries(json).map(([name, entry]) => [rename(name), entry]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(renamed)));
  const start = new DataView(new ArrayBuffer(8));
  start.setBigUint64(0, BigInt(header.length), true);
  const parts = [new Uint8Array(start.buffer), header, bytes.subarray(8 + length)];
  await Deno.writeFile(join(to, "model.safetensors"), new Blob(parts).stream());
}
