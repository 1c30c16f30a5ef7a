/** Model architectures of GGUF files: the family each belongs to, and what its tensors are called there. */

/** An architecture. */
export interface GgufArchitecture {
  /** `model_type` of the family. */
  readonly family: string;
  /**
   * Whether rows of the query and key matrices are in pairs, as ggml rotates such models: then dimensions `i` and
   * `i + dim / 2` of a head are rows `2 i` and `2 i + 1`.
   */
  readonly pairedRows: boolean;
  /** Names of a layer's tensors behind `blk.N.`, and what checkpoints of transformers call them behind `model.layers.N.`. */
  readonly layer: Readonly<Record<string, string>>;
}

/** Tensors outside of layers, and what checkpoints of transformers call them. */
export const OUTER_TENSORS: Readonly<Record<string, string>> = {
  "token_embd.weight": "model.embed_tokens.weight",
  "output_norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
};

/** Tensors that belong to the configuration. */
export const ROPE_TENSORS = {
  /** Divides each frequency. */
  divisors: "rope_freqs.weight",
  /** Divides each frequency for contexts up to the original length. */
  short: "rope_factors_short.weight",
  /** Divides each frequency for longer contexts. */
  long: "rope_factors_long.weight",
} as const;

const OUTPUT = {
  "attn_norm.weight": "input_layernorm.weight",
  "attn_output.weight": "self_attn.o_proj.weight",
  "ffn_norm.weight": "post_attention_layernorm.weight",
  "ffn_down.weight": "mlp.down_proj.weight",
};

const SEPARATE = {
  ...OUTPUT,
  "attn_q.weight": "self_attn.q_proj.weight",
  "attn_k.weight": "self_attn.k_proj.weight",
  "attn_v.weight": "self_attn.v_proj.weight",
  "ffn_gate.weight": "mlp.gate_proj.weight",
  "ffn_up.weight": "mlp.up_proj.weight",
};

const BIASES = {
  "attn_q.bias": "self_attn.q_proj.bias",
  "attn_k.bias": "self_attn.k_proj.bias",
  "attn_v.bias": "self_attn.v_proj.bias",
};

const HEAD_NORMS = {
  "attn_q_norm.weight": "self_attn.q_norm.weight",
  "attn_k_norm.weight": "self_attn.k_norm.weight",
};

const FUSED = {
  ...OUTPUT,
  "attn_qkv.weight": "self_attn.qkv_proj.weight",
  "ffn_up.weight": "mlp.gate_up_proj.weight",
};

const POST_NORMS = {
  "post_attention_norm.weight": "post_attention_layernorm.weight",
  "ffn_norm.weight": "pre_feedforward_layernorm.weight",
  "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
};

/** Architectures by `general.architecture`. Mistral's first models are called llama there. */
export const architectures: ReadonlyMap<string, GgufArchitecture> = new Map([
  ["llama", { family: "llama", pairedRows: true, layer: SEPARATE }],
  ["qwen2", { family: "qwen2", pairedRows: false, layer: { ...SEPARATE, ...BIASES } }],
  ["qwen3", { family: "qwen3", pairedRows: false, layer: { ...SEPARATE, ...HEAD_NORMS } }],
  ["phi3", { family: "phi3", pairedRows: false, layer: FUSED }],
  ["gemma3", {
    family: "gemma3_text",
    pairedRows: false,
    layer: { ...SEPARATE, ...HEAD_NORMS, ...POST_NORMS },
  }],
]);
