import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Backend, Tensor } from "../../ffi/backend.ts";
import { CancelledError, ModelFormatError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { loadConfig } from "../../lib/model/config.ts";
import { readCheckpoint, readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import type { ModelConfig, ModelWeights } from "../../lib/model/types.ts";
import { locateModel } from "../../lib/model/location.ts";
import { loadWeights, type LoadWeightsOptions } from "../../lib/model/weights.ts";
import { CHECKPOINTS, fixture, sharedData } from "./fixtures.ts";

const backend = await openBackend({ backend: "reference" });

/** Loads, checks, closes, and makes sure that nothing stays open. */
async function loaded(
  folder: string,
  options: LoadWeightsOptions,
  check: (weights: ModelWeights, config: ModelConfig) => void | Promise<void>,
): Promise<void> {
  const before = backend.allocatedBytes();
  const config = await loadConfig(folder);
  const weights = await loadWeights(folder, config, backend, options);
  try {
    await check(weights, config);
  } finally {
    weights.close();
  }
  assertEquals(backend.allocatedBytes(), before);
}

for (const name of CHECKPOINTS) {
  Deno.test(`loadWeights() gives tensors of ${name} their shapes`, async () => {
    await loaded(fixture(name), {}, (weights, config) => {
      const { hidden, heads, kvHeads, dim, ffn, vocab } = config;
      assertEquals(weights.embed.shape, [vocab, hidden]);
      assertEquals(weights.norm.shape, [hidden]);
      assertEquals(weights.layers.length, config.layers);
      for (const { qkv, output } of weights.layers) {
        assertEquals(qkv.wq.shape, [heads * dim, hidden]);
        assertEquals(qkv.wk.shape, [kvHeads * dim, hidden]);
        assertEquals(qkv.wv.shape, [kvHeads * dim, hidden]);
        assertEquals(output.wo.shape, [hidden, heads * dim]);
        assertEquals(output.wDown.shape, [hidden, ffn]);
        assertEquals(qkv.bq?.shape, config.family === "qwen2" ? [heads * dim] : undefined);
        const normsHeads = ["gemma3_text", "qwen3"].includes(config.family);
        assertEquals(qkv.kNorm?.shape, normsHeads ? [dim] : undefined);
        const normsSums = config.family === "gemma3_text";
        assertEquals(output.ffnPostNorm?.shape, normsSums ? [hidden] : undefined);
        assertEquals([qkv.norm.dtype, output.norm.dtype], ["f32", "f32"]);
      }
    });
  });

  Deno.test(`loadWeights() gives tensors of ${name} the values of the file`, async () => {
    await loaded(fixture(name), { weights: "f32" }, async (weights, config) => {
      const { qkv, output } = weights.layers[1]!;
      const layer = "model.layers.1";
      const pairs: [Tensor, string][] = [
        [weights.norm, "model.norm.weight"],
        [weights.embed, "model.embed_tokens.weight"],
        [qkv.norm, `${layer}.input_layernorm.weight`],
        [output.wo, `${layer}.self_attn.o_proj.weight`],
        [output.wDown, `${layer}.mlp.down_proj.weight`],
      ];
      if (output.attentionPostNorm && output.ffnPostNorm) {
        pairs.push([output.attentionPostNorm, `${layer}.post_attention_layernorm.weight`]);
        pairs.push([output.norm, `${layer}.pre_feedforward_layernorm.weight`]);
        pairs.push([output.ffnPostNorm, `${layer}.post_feedforward_layernorm.weight`]);
      } else {
        pairs.push([output.norm, `${layer}.post_attention_layernorm.weight`]);
      }
      if (config.family !== "phi3") {
        pairs.push([qkv.wq, `${layer}.self_attn.q_proj.weight`]);
        pairs.push([qkv.wk, `${layer}.self_attn.k_proj.weight`]);
        pairs.push([qkv.wv, `${layer}.self_attn.v_proj.weight`]);
        pairs.push([output.wGate, `${layer}.mlp.gate_proj.weight`]);
        pairs.push([output.wUp, `${layer}.mlp.up_proj.weight`]);
      }
      if (qkv.bv) pairs.push([qkv.bv, `${layer}.self_attn.v_proj.bias`]);
      if (qkv.qNorm) pairs.push([qkv.qNorm, `${layer}.self_attn.q_norm.weight`]);
      for (const [tensor, name_] of pairs) {
        assertEquals(tensor.dtype, "f32");
        const addend = config.family === "gemma3_text" && tensor.shape.length === 1 ? 1 : 0;
        const expected = (await stored(fixture(name), name_)).map((value) => value + addend);
        assertEquals(tensor.read(), expected, name_);
      }
    });
  });
}

for (const name of ["phi3", "phi3_window"]) {
  Deno.test(`loadWeights() splits the fused tensors of ${name}`, async () => {
    await loaded(fixture(name), {}, async (weights) => {
      const { qkv, output } = weights.layers[1]!;
      const layer = "model.layers.1";
      assertEquals(
        joined(qkv.wq, qkv.wk, qkv.wv),
        await stored(fixture(name), `${layer}.self_attn.qkv_proj.weight`),
      );
      assertEquals(
        joined(output.wGate, output.wUp),
        await stored(fixture(name), `${layer}.mlp.gate_up_proj.weight`),
      );
    });
  });
}

Deno.test("loadWeights() holds the parts of a fused tensor once", async () => {
  const { tensors } = await readSafetensorsHeader(`${fixture("phi3")}/model.safetensors`);
  const bytes = [...tensors.values()].map(({ begin, end }) => end - begin);
  const norms = [...tensors.values()].filter(({ shape }) => shape.length === 1);
  // Norms are held as f32: twice the bytes of the bf16 in the file.
  const widened = norms.reduce((sum, { begin, end }) => sum + end - begin, 0);
  await loaded(fixture("phi3"), {}, ({ sizeBytes }) => {
    assertEquals(sizeBytes, bytes.reduce((sum, size) => sum + size, 0) + widened);
  });
});

function joined(...tensors: Tensor[]): Float32Array {
  return Float32Array.from(tensors.flatMap((tensor) => Array.from(tensor.read())));
}

/** A tensor of a folder, widened to f32 by arithmetic of this test's own. */
async function stored(folder: string, name: string): Promise<Float32Array> {
  const { path, dtype, begin, end } = (await readCheckpoint(folder)).get(name)!;
  const { buffer } = (await Deno.readFile(path)).slice(begin, end);
  if (dtype === "F32") return new Float32Array(buffer);
  const halves = new Uint16Array(buffer);
  if (dtype === "BF16") {
    return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  }
  return Float32Array.from(new Float16Array(buffer));
}

const dtypes: [name: string, weights: "f32" | "bf16" | undefined, dtype: string][] = [
  ["llama", undefined, "f32"],
  ["llama", "bf16", "bf16"],
  ["llama_yarn", undefined, "bf16"],
  ["llama_yarn", "f32", "f32"],
  ["qwen3", undefined, "f16"],
  ["qwen3", "bf16", "bf16"],
];
for (const [name, weights, dtype] of dtypes) {
  Deno.test(`loadWeights() holds matrices of ${name} as ${dtype} for weights ${weights}`, async () => {
    await loaded(fixture(name), weights ? { weights } : {}, ({ embed, head, norm, layers }) => {
      const { wq, norm: layerNorm } = layers[0]!.qkv;
      assertEquals([embed.dtype, head.dtype, wq.dtype], [dtype, dtype, dtype]);
      assertEquals([norm.dtype, layerNorm.dtype], ["f32", "f32"]);
    });
  });
}

for (const [weights, matrices] of [["q8", "q8_0"], ["q4", "q4_1"]] as const) {
  Deno.test(`loadWeights() quantises matrices to ${matrices} for weights ${weights}, and the vocabulary to q8_0`, async () => {
    const { path } = await locateModel();
    const stored = await loadWeights(path, await loadConfig(path), backend);
    await loaded(path, { weights }, ({ embed, head, layers }) => {
      const { qkv, output } = layers[1]!;
      const found = [embed, head, qkv.wq, output.wDown].map(({ dtype }) => dtype);
      assertEquals(found, ["q8_0", "q8_0", matrices, matrices]);
      const { wDown } = stored.layers[1]!.output;
      const expected = backend.tensor(wDown.shape, matrices, wDown.read());
      assertEquals(output.wDown.read(), expected.read());
      expected.close();
    });
    stored.close();
  });
}

Deno.test("loadWeights() refuses to quantise rows that are no whole blocks", async () => {
  const before = backend.allocatedBytes();
  const load = loaded(fixture("llama"), { weights: "q8" }, () => {});
  await assertRejects(() => load, ModelFormatError, "rows of q8_0 must be whole blocks of 32");
  assertEquals(backend.allocatedBytes(), before);
});

Deno.test("loadWeights() shares the embedding with the head only where they are tied", async () => {
  await loaded(fixture("qwen2"), {}, ({ embed, head }) => assert(embed === head));
  await loaded(fixture("llama"), {}, ({ embed, head }) => assert(embed !== head));
});

Deno.test("loadWeights() states what it holds and reports progress up to all of it", async () => {
  const calls: [number, number][] = [];
  const onProgress = (done: number, total: number) => void calls.push([done, total]);
  await loaded(fixture("llama"), { onProgress }, ({ sizeBytes }) => {
    assertEquals(calls.length, 21);
    assertEquals(calls.at(-1), [sizeBytes, sizeBytes]);
    assert(calls.every(([done], i) => i === 0 || done > calls[i - 1]![0]));
  });
});

Deno.test("loadWeights() frees everything when it is cancelled", async () => {
  const before = backend.allocatedBytes();
  const controller = new AbortController();
  const config = await loadConfig(fixture("llama"));
  const options = {
    signal: controller.signal,
    onProgress: (done: number, total: number) => done > total / 2 && controller.abort("enough"),
  };
  const error = await assertRejects(
    () => loadWeights(fixture("llama"), config, backend, options),
    CancelledError,
    "of 78464 bytes",
  );
  assertEquals(error.cause, "enough");
  assertEquals(backend.allocatedBytes(), before);
});

Deno.test("loadWeights() frees everything when the backend fails", async () => {
  const before = backend.allocatedBytes();
  const config = await loadConfig(fixture("qwen2"));
  let opened = 0;
  const failing: Backend = Object.create(backend, {
    openWeights: {
      value: async (path: string) => {
        if (++opened === 2) throw new Error("no more files");
        return await backend.openWeights(path);
      },
    },
  });
  await assertRejects(() => loadWeights(fixture("qwen2"), config, failing), Error, "no more files");
  assertEquals(opened, 2);
  assertEquals(backend.allocatedBytes(), before);
});

/** A header entry, and as many zeros as it needs. */
interface Written {
  dtype: string;
  shape: readonly number[];
}

const BYTES: Record<string, number> = { F32: 4, BF16: 2, I8: 1 };

/** The llama fixture's tensors as zeros, after `change`, loaded as `config` says. */
async function loadChanged(
  change: (tensors: Map<string, Written>) => void,
  fields: Partial<ModelConfig> = {},
): Promise<ModelWeights> {
  const folder = await Deno.makeTempDir();
  try {
    const source = await readCheckpoint(fixture("llama"));
    const tensors = new Map<string, Written>(source);
    change(tensors);
    await Deno.writeFile(`${folder}/model.safetensors`, zeros(tensors));
    const config = { ...await loadConfig(fixture("llama")), ...fields };
    return await loadWeights(folder, config, backend);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function zeros(tensors: ReadonlyMap<string, Written>): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const begin = end;
    end += shape.reduce((product, size) => product * size, BYTES[dtype]!);
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

const WK = "model.layers.1.self_attn.k_proj.weight";
const failures: [
  name: string,
  change: (tensors: Map<string, Written>) => void,
  fields: Partial<ModelConfig>,
  message: string,
][] = [
  ["a missing tensor", (t) => t.delete(WK), {}, `${WK} as it must be stored`],
  ["a wrong shape", (t) => t.set(WK, { dtype: "F32", shape: [8, 32] }), {}, "must be [16, 32]"],
  ["a wrong rank", (t) => t.set(WK, { dtype: "F32", shape: [512] }), {}, "must be [16, 32]"],
  [
    "a wrong dtype",
    (t) => t.set(WK, { dtype: "I8", shape: [16, 32] }),
    {},
    'current value is "I8"',
  ],
  ["more layers than stored", () => {}, { layers: 3 }, "model.layers.2."],
  ["fewer layers than stored", () => {}, { layers: 1 }, "a llama of 1 layers has no such tensor"],
  [
    "a bias that the family lacks",
    (t) => {
      t.set("model.layers.0.self_attn.q_proj.bias", { dtype: "F32", shape: [32] });
    },
    {},
    "has no such tensor",
  ],
  ["an untied model without a head", (t) => t.delete("lm_head.weight"), {}, "lm_head.weight as"],
  [
    "a tied model without both",
    (t) => {
      t.delete("lm_head.weight");
      t.delete("model.embed_tokens.weight");
    },
    { tiedEmbeddings: true },
    "model.embed_tokens.weight or lm_head.weight as",
  ],
];

for (const [name, change, fields, message] of failures) {
  Deno.test(`loadWeights() refuses ${name} and leaves nothing open`, async () => {
    const before = backend.allocatedBytes();
    await assertRejects(() => loadChanged(change, fields), ModelFormatError, message);
    assertEquals(backend.allocatedBytes(), before);
  });
}

Deno.test("loadWeights() keeps the element type of each matrix of a layer", async () => {
  const weights = await loadChanged((t) => void t.set(WK, { dtype: "BF16", shape: [16, 32] }));
  const { qkv, output } = weights.layers[1]!;
  const matrices = [qkv.wq, qkv.wk, qkv.wv, output.wo, output.wGate, output.wUp, output.wDown];
  const others = Array.from({ length: 5 }, () => "f32");
  assertEquals(matrices.map(({ dtype }) => dtype), ["f32", "bf16", ...others]);
  weights.close();
});

Deno.test("loadWeights() ignores stored rotary frequencies", async () => {
  const name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  const weights = await loadChanged((t) => void t.set(name, { dtype: "F32", shape: [4] }));
  weights.close();
});

for (const kept of ["lm_head.weight", "model.embed_tokens.weight"]) {
  Deno.test(`loadWeights() takes ${kept} alone for both ends of a tied model`, async () => {
    const others = ["lm_head.weight", "model.embed_tokens.weight"].filter((name) => name !== kept);
    const weights = await loadChanged((t) => others.forEach((name) => t.delete(name)), {
      tiedEmbeddings: true,
    });
    assert(weights.embed === weights.head);
    weights.close();
  });
}

const tinystories = sharedData("models/tinystories-656k");
Deno.test({ name: "loadWeights() loads tinystories-656k", ignore: !tinystories }, async () => {
  await loaded(tinystories!, {}, ({ embed, head, layers }) => {
    assert(embed === head);
    assertEquals(layers.length, 2);
    const norm = layers[0]!.qkv.norm.read();
    assertAlmostEquals(norm.reduce((sum, value) => sum + value, 0) / norm.length, 1, 1);
  });
});
