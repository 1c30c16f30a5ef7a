import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { ModelFormatError } from "../../ffi/errors.ts";
import { loadConfig, readConfig } from "../../lib/model/config.ts";
import { CHECKPOINTS, fixture, sharedData } from "./fixtures.ts";

const LLAMA = {
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  vocab_size: 1000,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  eos_token_id: 2,
};
const MISTRAL = { ...LLAMA, model_type: "mistral" };
const PHI3 = { ...LLAMA, model_type: "phi3" };
const QWEN2 = { ...LLAMA, model_type: "qwen2" };
const QWEN3 = { ...LLAMA, model_type: "qwen3" };

Deno.test("readConfig() fills in defaults", async () => {
  const { num_key_value_heads: _, rms_norm_eps: __, ...rest } = LLAMA;
  const config = await readConfig(rest);
  assertEquals(config.kvHeads, 8);
  assertEquals(config.dim, 8);
  assertEquals(config.eps, 1e-6);
  assertEquals(config.activation, "silu");
  assertEquals(config.tiedEmbeddings, false);
  assertAlmostEquals(config.scale, 1 / Math.sqrt(8));
  assertEquals(config.rope, { theta: 10000, rot: 8, scaling: { type: "default" } });
});

Deno.test("readConfig() takes the head dimension of qwen3 for 128 where it is absent", async () => {
  assertEquals((await readConfig(QWEN3)).dim, 128);
  assertEquals((await readConfig({ ...QWEN3, head_dim: 32 })).dim, 32);
});

Deno.test("readConfig() joins the ids that end a text", async () => {
  const ids = async (config: unknown, generation?: unknown) =>
    (await readConfig({ ...LLAMA, eos_token_id: config }, generation)).eosIds;
  assertEquals(await ids(2), [2]);
  assertEquals(await ids([2, 3], { eos_token_id: [3, 4] }), [2, 3, 4]);
  assertEquals(await ids(null, { eos_token_id: 5 }), [5]);
  assertEquals(await ids(undefined), []);
});

Deno.test("readConfig() reads both spellings of the rope parameters alike", async () => {
  const scaling = { factor: 4, original_max_position_embeddings: 128 };
  const older = await readConfig({
    ...LLAMA,
    rope_theta: 5e5,
    rope_scaling: { type: "yarn", ...scaling },
  });
  const newer = await readConfig({
    ...LLAMA,
    rope_parameters: { rope_type: "yarn", rope_theta: 5e5, ...scaling },
  });
  const nested = await readConfig({
    ...LLAMA,
    layer_types: ["full_attention", "full_attention"],
    rope_parameters: { full_attention: { rope_type: "yarn", rope_theta: 5e5, ...scaling } },
  });
  assertEquals(newer.rope, older.rope);
  assertEquals(nested.rope, older.rope);
  assertEquals(newer.rope.theta, 5e5);
});

Deno.test("readConfig() rotates a part of the head where it is told so", async () => {
  assertEquals((await readConfig({ ...LLAMA, partial_rotary_factor: 0.5 })).rope.rot, 4);
});

const FULL = "full_attention";
const SLIDING = "sliding_attention";
const used = { use_sliding_window: true, sliding_window: 64, max_window_layers: 1 };
const windows: [name: string, json: unknown, windows: (number | null)[]][] = [
  ["llama whatever it says", { ...LLAMA, ...used }, [null, null]],
  ["mistral without one", { ...MISTRAL, sliding_window: null }, [null, null]],
  ["mistral", { ...MISTRAL, sliding_window: 64 }, [64, 64]],
  ["mistral that leaves it open, as transformers", MISTRAL, [4096, 4096]],
  ["phi3 that leaves it open", PHI3, [null, null]],
  ["phi3", { ...PHI3, sliding_window: 64, layer_types: [SLIDING, SLIDING] }, [64, 64]],
  ["qwen2 that does not use it", { ...QWEN2, sliding_window: 64 }, [null, null]],
  ["qwen2 from a layer it lacks", { ...QWEN2, use_sliding_window: true }, [null, null]],
  ["qwen2 with a window of null", { ...QWEN2, ...used, sliding_window: null }, [null, null]],
  ["qwen2 from a layer on", { ...QWEN2, ...used }, [null, 64]],
  ["qwen3 by layer", { ...QWEN3, ...used, layer_types: [SLIDING, FULL] }, [64, null]],
];
for (const [name, json, expected] of windows) {
  Deno.test(`readConfig() reads the windows of ${name}`, async () => {
    assertEquals((await readConfig(json)).windows, expected);
  });
}

Deno.test("readConfig() assumes what transformers assumes where mistral and phi3 leave fields out", async () => {
  const { num_key_value_heads: _, rms_norm_eps: __, ...rest } = LLAMA;
  assertEquals((await readConfig({ ...rest, model_type: "mistral" })).kvHeads, 8);
  assertEquals((await readConfig({ ...rest, model_type: "phi3" })).eps, 1e-5);
});

const factors = { short_factor: [1, 2, 3, 4], long_factor: [5, 6, 7, 8] };
Deno.test("readConfig() reads longrope under its older names", async () => {
  for (const type of ["longrope", "su", "yarn"]) {
    const rope_scaling = { type, ...factors };
    const { rope } = await readConfig({ ...PHI3, max_position_embeddings: 8192, rope_scaling });
    assertEquals(rope.scaling, {
      type: "longrope",
      shortFactor: factors.short_factor,
      longFactor: factors.long_factor,
      originalMaxPositions: 4096,
      attentionFactor: Math.sqrt(1 + Math.log(2) / Math.log(4096)),
    });
  }
});

const scaled = (parameters: unknown) => ({ ...LLAMA, rope_scaling: parameters });
const cases: [name: string, json: unknown, message: string][] = [
  [
    "no object",
    null,
    "model_type must be one of gemma3_text, llama, mistral, phi3, qwen2, qwen3: current value is missing",
  ],
  ["an array", [], "model_type"],
  ["another family", { ...LLAMA, model_type: "mamba" }, 'current value is "mamba"'],
  ["a family that is an object", { ...LLAMA, model_type: {} }, "current value is an object"],
  ["a missing field", { ...LLAMA, hidden_size: undefined }, "hidden_size is not valid"],
  ["zero layers", { ...LLAMA, num_hidden_layers: 0 }, "num_hidden_layers is not valid"],
  ["negative layers", { ...LLAMA, num_hidden_layers: -1 }, "current value is -1"],
  ["a fraction", { ...LLAMA, vocab_size: 10.5 }, "vocab_size is not valid"],
  ["an absurd vocabulary", { ...LLAMA, vocab_size: 1e15 }, "vocab_size is not valid"],
  ["an unsafe number", { ...LLAMA, hidden_size: 2 ** 60 }, "hidden_size is not valid"],
  ["text for a number", { ...LLAMA, hidden_size: "64" }, 'current value is "64"'],
  ["KV heads that do not divide", { ...LLAMA, num_key_value_heads: 3 }, "must divide"],
  ["more KV heads than heads", { ...LLAMA, num_key_value_heads: 16 }, "must divide"],
  ["an odd head dimension", { ...LLAMA, head_dim: 7 }, "head dimension must be an even"],
  ["heads that do not divide", { ...LLAMA, hidden_size: 60 }, "head dimension must be an even"],
  ["an activation", { ...LLAMA, hidden_act: "relu" }, "silu, gelu_pytorch_tanh"],
  ["quantised weights", { ...LLAMA, quantization_config: { bits: 4 } }, "quantised weights"],
  ["experts", { ...LLAMA, num_experts: 8 }, "experts (num_experts)"],
  ["feed-forward biases", { ...LLAMA, mlp_bias: true }, "mlp_bias must be false"],
  ["attention biases", { ...LLAMA, attention_bias: true }, "attention_bias of llama"],
  ["attention biases of qwen3", { ...QWEN3, attention_bias: true }, "attention_bias of qwen3"],
  [
    "attention biases of mistral",
    { ...MISTRAL, attention_bias: true },
    "attention_bias of mistral",
  ],
  ["a window of no key", { ...MISTRAL, sliding_window: 0 }, "sliding_window must be >= 1"],
  ["too few layer types", { ...QWEN3, layer_types: [FULL] }, "must name 2 layers"],
  [
    "an unknown layer type",
    { ...QWEN3, ...used, layer_types: [FULL, "x"] },
    "full_attention, sliding",
  ],
  ["window layers of llama", { ...LLAMA, layer_types: [SLIDING, FULL] }, '"sliding_attention"'],
  ["window layers without a window", { ...QWEN3, layer_types: [FULL, SLIDING] }, "must be of full"],
  [
    "a mistral in which some layers have no window",
    { ...MISTRAL, layer_types: [SLIDING, FULL] },
    "layer_types of this mistral must be of sliding_attention",
  ],
  ["an end of -1", { ...LLAMA, eos_token_id: -1 }, "eos_token_id is not valid"],
  ["an unknown rope", scaled({ rope_type: "mrope" }), 'current value is "mrope"'],
  [
    "a rope that phi3 does not have",
    { ...PHI3, rope_scaling: { type: "linear", factor: 2 } },
    "su",
  ],
  ["longrope without factors", scaled({ rope_type: "longrope" }), "short_factor must hold 4"],
  [
    "longrope with too few factors",
    scaled({ rope_type: "longrope", ...factors, long_factor: [1, 2] }),
    "long_factor must hold 4 numbers, one an angle: current value is 2",
  ],
  [
    "longrope with a factor of 0",
    scaled({ rope_type: "longrope", ...factors, long_factor: [1, 2, 3, 0] }),
    "long_factor.3 is not valid",
  ],
  [
    "longrope from one position",
    scaled({ rope_type: "longrope", ...factors, original_max_position_embeddings: 1 }),
    "2 original positions",
  ],
  ["a rope without a factor", scaled({ rope_type: "linear" }), "must have factor"],
  ["a negative factor", scaled({ type: "linear", factor: -2 }), "factor is not valid"],
  ["an infinite factor", scaled({ type: "linear", factor: Infinity }), "factor is not valid"],
  ["a rope that is a list", scaled([1]), "rope_scaling is not valid"],
  ["an odd rotation", { ...LLAMA, partial_rotary_factor: 0.4 }, "must be even"],
  [
    "llama3 rope without bounds",
    scaled({ rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 }),
    "must be above",
  ],
  ["a dynamic rope of one angle", { ...scaled({ type: "dynamic", factor: 2 }), head_dim: 2 }, "4"],
];

for (const [name, json, message] of cases) {
  Deno.test(`readConfig() refuses ${name}`, async () => {
    await assertRejects(() => readConfig(json), ModelFormatError, message);
  });
}

Deno.test("readConfig() refuses a damaged generation_config.json", async () => {
  await assertRejects(() => readConfig(LLAMA, { eos_token_id: "x" }), ModelFormatError, "eos");
});

Deno.test("readConfig() refuses deep values without overflowing", async () => {
  const deep = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  for (const field of Object.keys(LLAMA)) {
    await assertRejects(() => readConfig({ ...LLAMA, [field]: deep }), ModelFormatError);
  }
});

for (const name of CHECKPOINTS) {
  Deno.test(`loadConfig() reads ${name}`, async () => {
    const config = await loadConfig(fixture(name));
    const layers = name === "gemma3" ? 3 : 2;
    assertEquals([config.layers, config.heads, config.kvHeads, config.vocab], [layers, 4, 2, 88]);
    assert(name.startsWith(config.family.replace("_text", "")));
  });
}

Deno.test("loadConfig() names a file that is absent or damaged", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(() => loadConfig(folder), ModelFormatError, "config.json as it does not");
    await Deno.writeTextFile(`${folder}/config.json`, "{");
    await assertRejects(
      () => loadConfig(folder),
      ModelFormatError,
      "config.json as it is not JSON",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const tinystories = sharedData("models/tinystories-656k");
Deno.test({ name: "loadConfig() reads tinystories-656k", ignore: !tinystories }, async () => {
  const config = await loadConfig(tinystories!);
  assertEquals([config.hidden, config.dim, config.ffn, config.vocab], [128, 16, 384, 2048]);
  assertEquals(config.eosIds, [2]);
});
