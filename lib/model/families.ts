/**
 * Model families as data: how tensors are called, which of them a family has and what shape they have.
 * One loader (`weights.ts`) and one engine interpret them; a new family of this kind is an entry here.
 */
import type { ModelConfig } from "./types.ts";

/** A symbolic dimension: a field of the configuration, or heads times `dim`. */
export type Dimension = "vocab" | "hidden" | "ffn" | "dim" | "heads*dim" | "kvHeads*dim";

/** Name and shape of a tensor; `{layer}` in the name stands for the layer's number. */
export interface TensorTemplate {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Dimensions, outermost first. A tensor of one dimension is always held as f32. */
  readonly shape: readonly Dimension[];
}

/** What a layer may be made of. */
export type LayerSlot =
  | "attentionNorm"
  | "wq"
  | "wk"
  | "wv"
  | "bq"
  | "bk"
  | "bv"
  | "qNorm"
  | "kNorm"
  | "wo"
  | "ffnNorm"
  | "wGate"
  | "wUp"
  | "wDown";

/** A model family. */
export interface Family {
  /** `model_type` in `config.json`. */
  readonly name: string;
  /** Head dimension where `config.json` has none; `null` for `hidden / heads`. */
  readonly defaultDim: number | null;
  /** Whether `use_sliding_window` and `max_window_layers` mean something. */
  readonly windowed: boolean;
  /** Whether `attention_bias: true` adds biases, also one of `o_proj`. */
  readonly optionalAttentionBias: boolean;
  /** Token embedding. */
  readonly embed: TensorTemplate;
  /** Output head. */
  readonly head: TensorTemplate;
  /** Norm before the output head. */
  readonly norm: TensorTemplate;
  /** Tensors of each layer; a slot that is absent does not exist in the family. */
  readonly layer: Readonly<Partial<Record<LayerSlot, TensorTemplate>>>;
  /** Stored tensors that are not weights. */
  readonly ignored: RegExp;
}

function layerTensor(name: string, ...shape: Dimension[]): TensorTemplate {
  return { name: `model.layers.{layer}.${name}`, shape };
}

const LLAMA: Family = {
  name: "llama",
  defaultDim: null,
  windowed: false,
  optionalAttentionBias: true,
  embed: { name: "model.embed_tokens.weight", shape: ["vocab", "hidden"] },
  head: { name: "lm_head.weight", shape: ["vocab", "hidden"] },
  norm: { name: "model.norm.weight", shape: ["hidden"] },
  layer: {
    attentionNorm: layerTensor("input_layernorm.weight", "hidden"),
    wq: layerTensor("self_attn.q_proj.weight", "heads*dim", "hidden"),
    wk: layerTensor("self_attn.k_proj.weight", "kvHeads*dim", "hidden"),
    wv: layerTensor("self_attn.v_proj.weight", "kvHeads*dim", "hidden"),
    wo: layerTensor("self_attn.o_proj.weight", "hidden", "heads*dim"),
    ffnNorm: layerTensor("post_attention_layernorm.weight", "hidden"),
    wGate: layerTensor("mlp.gate_proj.weight", "ffn", "hidden"),
    wUp: layerTensor("mlp.up_proj.weight", "ffn", "hidden"),
    wDown: layerTensor("mlp.down_proj.weight", "hidden", "ffn"),
  },
  ignored: /\.rotary_emb\.inv_freq$/,
};

const QWEN2: Family = {
  ...LLAMA,
  name: "qwen2",
  windowed: true,
  optionalAttentionBias: false,
  layer: {
    ...LLAMA.layer,
    bq: layerTensor("self_attn.q_proj.bias", "heads*dim"),
    bk: layerTensor("self_attn.k_proj.bias", "kvHeads*dim"),
    bv: layerTensor("self_attn.v_proj.bias", "kvHeads*dim"),
  },
};

const QWEN3: Family = {
  ...LLAMA,
  name: "qwen3",
  defaultDim: 128,
  windowed: true,
  layer: {
    ...LLAMA.layer,
    qNorm: layerTensor("self_attn.q_norm.weight", "dim"),
    kNorm: layerTensor("self_attn.k_norm.weight", "dim"),
  },
};

/** The families that can be loaded, by `model_type`. */
export const families: ReadonlyMap<string, Family> = new Map(
  [LLAMA, QWEN2, QWEN3].map((family) => [family.name, family]),
);

/** The shape of a template in a model. */
export function shapeOf(template: TensorTemplate, config: ModelConfig): number[] {
  return template.shape.map((dimension) => sizeOf(dimension, config));
}

/** The name of a template's tensor in a layer. */
export function nameInLayer(template: TensorTemplate, layer: number): string {
  return template.name.replace("{layer}", String(layer));
}

function sizeOf(dimension: Dimension, config: ModelConfig): number {
  if (dimension === "heads*dim") return config.heads * config.dim;
  if (dimension === "kvHeads*dim") return config.kvHeads * config.dim;
  return config[dimension];
}
