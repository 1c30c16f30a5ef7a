/**
 * Model families as data: how tensors are called, which of them a family has and what shape they have.
 * One loader (`weights.ts`) and one engine interpret them; a new family of this kind is an entry here.
 */
import type { ModelConfig, RopeScaling } from "./types.ts";

/** A symbolic dimension: a field of the configuration, or heads times `dim`. */
export type Dimension = "vocab" | "hidden" | "ffn" | "dim" | "heads*dim" | "kvHeads*dim";

/** Name and shape of a tensor; `{layer}` in the name stands for the layer's number. */
export interface TensorTemplate {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Dimensions, outermost first. A tensor of one dimension is always held as f32. */
  readonly shape: readonly Dimension[];
  /** Rows of the stored tensor in front of this one's, where several are stored as one. */
  readonly before: readonly Dimension[];
  /** Rows of the stored tensor behind this one's. */
  readonly after: readonly Dimension[];
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
  | "attentionPostNorm"
  | "ffnNorm"
  | "wGate"
  | "wUp"
  | "wDown"
  | "ffnPostNorm";

/**
 * Which layers have a sliding window where `config.json` names one: `none`; `all` of them; the `later` ones, from
 * `max_window_layers` on, if `use_sliding_window` is set; or all but each of number `sliding_window_pattern`, `pattern`.
 */
export type WindowRule = "none" | "all" | "later" | "pattern";

/** A model family. */
export interface Family {
  /** `model_type` in `config.json`. */
  readonly name: string;
  /** Fields of `config.json` that are assumed where they are absent, as in transformers. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Which layers have a sliding window. */
  readonly windows: WindowRule;
  /** What rope types of `config.json` mean; others are refused. */
  readonly ropeTypes: ReadonlyMap<string, RopeScaling["type"]>;
  /** Whether embeddings are multiplied by the root of their width. */
  readonly scaledEmbeddings: boolean;
  /** What checkpoints of transformers subtract from the weights of norms; GGUF files hold them whole. */
  readonly normOffset: number;
  /** Whether layers with a sliding window have a rotary embedding of their own. */
  readonly localRope: boolean;
  /** What a prefix of stored names becomes, for models that are parts of larger ones. */
  readonly prefixes: readonly (readonly [stored: RegExp, name: string])[];
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

const ROPE_TYPES: Family["ropeTypes"] = new Map([
  ["default", "default"],
  ["linear", "linear"],
  ["dynamic", "dynamic"],
  ["llama3", "llama3"],
  ["yarn", "yarn"],
  ["longrope", "longrope"],
]);

/** The first files of this family say `su` or `yarn` and mean longrope. */
const PHI3_ROPE_TYPES: Family["ropeTypes"] = new Map([
  ["default", "default"],
  ["longrope", "longrope"],
  ["su", "longrope"],
  ["yarn", "longrope"],
]);

function tensor(name: string, ...shape: Dimension[]): TensorTemplate {
  return { name, shape, before: [], after: [] };
}

function layerTensor(name: string, ...shape: Dimension[]): TensorTemplate {
  return tensor(`model.layers.{layer}.${name}`, ...shape);
}

/** Matrices of `hidden` columns that are stored as one, in this order. */
function fusedTensors(name: string, ...rows: Dimension[]): TensorTemplate[] {
  return rows.map((own, part) => ({
    ...layerTensor(name, own, "hidden"),
    before: rows.slice(0, part),
    after: rows.slice(part + 1),
  }));
}

const LLAMA: Family = {
  name: "llama",
  defaults: {},
  windows: "none",
  ropeTypes: ROPE_TYPES,
  scaledEmbeddings: false,
  normOffset: 0,
  localRope: false,
  prefixes: [],
  optionalAttentionBias: true,
  embed: tensor("model.embed_tokens.weight", "vocab", "hidden"),
  head: tensor("lm_head.weight", "vocab", "hidden"),
  norm: tensor("model.norm.weight", "hidden"),
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
  defaults: { sliding_window: 4096, max_window_layers: 28 },
  windows: "later",
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
  defaults: { ...QWEN2.defaults, head_dim: 128 },
  windows: "later",
  layer: {
    ...LLAMA.layer,
    qNorm: layerTensor("self_attn.q_norm.weight", "dim"),
    kNorm: layerTensor("self_attn.k_norm.weight", "dim"),
  },
};

const MISTRAL: Family = {
  ...LLAMA,
  name: "mistral",
  defaults: { sliding_window: 4096, num_key_value_heads: 8 },
  windows: "all",
};

const [WQ, WK, WV] = fusedTensors(
  "self_attn.qkv_proj.weight",
  "heads*dim",
  "kvHeads*dim",
  "kvHeads*dim",
);
const [W_GATE, W_UP] = fusedTensors("mlp.gate_up_proj.weight", "ffn", "ffn");

const PHI3: Family = {
  ...LLAMA,
  name: "phi3",
  defaults: { rms_norm_eps: 1e-5, original_max_position_embeddings: 4096 },
  windows: "all",
  ropeTypes: PHI3_ROPE_TYPES,
  layer: { ...LLAMA.layer, wq: WQ!, wk: WK!, wv: WV!, wGate: W_GATE!, wUp: W_UP! },
};

const GEMMA3: Family = {
  ...LLAMA,
  name: "gemma3_text",
  defaults: {
    vocab_size: 262_208,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    max_position_embeddings: 131_072,
    rope_theta: 1e6,
    rope_local_base_freq: 1e4,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    sliding_window_pattern: 6,
    tie_word_embeddings: true,
    eos_token_id: 1,
  },
  windows: "pattern",
  scaledEmbeddings: true,
  normOffset: 1,
  localRope: true,
  prefixes: [[/^language_model\./, ""], [/^model\.language_model\./, "model."]],
  layer: {
    ...QWEN3.layer,
    attentionPostNorm: layerTensor("post_attention_layernorm.weight", "hidden"),
    ffnNorm: layerTensor("pre_feedforward_layernorm.weight", "hidden"),
    ffnPostNorm: layerTensor("post_feedforward_layernorm.weight", "hidden"),
  },
  ignored: /\.rotary_emb\.inv_freq$|^(?:model\.)?(?:vision_tower|multi_modal_projector)\./,
};

/** The families that can be loaded, by `model_type`. */
export const families: ReadonlyMap<string, Family> = new Map(
  [GEMMA3, LLAMA, MISTRAL, PHI3, QWEN2, QWEN3].map((family) => [family.name, family]),
);

/** The shape of a template in a model. */
export function shapeOf(template: TensorTemplate, config: ModelConfig): number[] {
  return template.shape.map((dimension) => sizeOf(dimension, config));
}

/** Rows that are stored in front of a template's own, and behind them. */
export function rowsAround(
  template: TensorTemplate,
  config: ModelConfig,
): { before: number; after: number } {
  const sum = (dimensions: readonly Dimension[]) =>
    dimensions.reduce((rows, dimension) => rows + sizeOf(dimension, config), 0);
  return { before: sum(template.before), after: sum(template.after) };
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
