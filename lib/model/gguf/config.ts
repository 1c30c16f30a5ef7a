/** The configuration of a GGUF model, as the `config.json` that means the same: one set of rules checks both. */
import { basename } from "node:path";
import { ModelFormatError } from "../../../ffi/errors.ts";
import { readConfig } from "../config.ts";
import { reasonOf, refusal } from "../../../ffi/refusal.ts";
import type { ModelConfig } from "../types.ts";
import { architectures, type GgufArchitecture } from "./architectures.ts";
import type { GgufMetadata } from "./metadata.ts";
import type { GgufModel } from "./model_file.ts";
import { readRopeFields } from "./rope.ts";
import { endIds } from "./vocabulary.ts";

type Fields = Record<string, unknown>;

/** Layers of the one Gemma 3 whose scores are scaled by the width of a query head in the residual stream, as in llama.cpp. */
const GEMMA3_27B_LAYERS = 62;

/** What must be absent or do nothing. */
const NEUTRAL: Readonly<Record<string, number | boolean>> = {
  expert_count: 0,
  "attention.causal": true,
  "attention.clamp_kqv": 0,
  attn_logit_softcapping: 0,
  final_logit_softcapping: 0,
  logit_scale: 1,
  embedding_scale: 1,
  residual_scale: 1,
};

/** The configuration of a model. */
export async function readGgufConfig(model: GgufModel): Promise<ModelConfig> {
  const { family } = architectureOf(model.metadata);
  const fields = { ...await commonFields(model), ...familyFields(family, model.metadata) };
  try {
    return await readConfig(fields);
  } catch (cause) {
    if (!(cause instanceof ModelFormatError)) throw cause;
    const where = `load ${basename(model.path)}`;
    const rule = "its metadata must make a model that is supported";
    const { message } = refusal(ModelFormatError, where, rule, reasonOf(cause));
    throw new ModelFormatError(message, { cause });
  }
}

/** The architecture that a file names; others are refused, those with experts by what they are. */
export function architectureOf(metadata: GgufMetadata): GgufArchitecture {
  const name = metadata.needText("general.architecture");
  const found = architectures.get(name);
  if (found !== undefined) return found;
  if (metadata.has(`${name}.expert_count`)) {
    throw metadata.wrong("mixtures of experts are not supported", name);
  }
  const names = [...architectures.keys()].join(", ");
  throw metadata.wrong(`general.architecture must be one of ${names}`, name);
}

async function commonFields({ metadata, tensors, path }: GgufModel): Promise<Fields> {
  const name = metadata.needText("general.architecture");
  const key = (field: string): string => `${name}.${field}`;
  refuseOthers(metadata, key);
  const heads = metadata.needCount(key("attention.head_count"));
  const hidden = metadata.needCount(key("embedding_length"));
  const dim = metadata.count(key("attention.key_length")) ?? hidden / heads;
  return {
    model_type: architectures.get(name)!.family,
    hidden_size: hidden,
    intermediate_size: metadata.needCount(key("feed_forward_length")),
    num_hidden_layers: metadata.needCount(key("block_count")),
    vocab_size: tensors.get("token_embd.weight")?.shape[0],
    num_attention_heads: heads,
    num_key_value_heads: metadata.count(key("attention.head_count_kv")) ?? heads,
    head_dim: dim,
    max_position_embeddings: metadata.needCount(key("context_length")),
    rms_norm_eps: metadata.number(key("attention.layer_norm_rms_epsilon")),
    tie_word_embeddings: !tensors.has("output.weight"),
    query_pre_attn_scalar: scoreDivisor(metadata, key, dim),
    eos_token_id: endIds(metadata),
    ...await readRopeFields({ metadata, tensors, path }, key, dim),
  };
}

function refuseOthers(metadata: GgufMetadata, key: (field: string) => string): void {
  for (const [field, neutral] of Object.entries(NEUTRAL)) {
    const value = metadata.get(key(field));
    if (value === undefined || value === neutral || value === 0) continue;
    if (field === "expert_count") {
      throw metadata.wrong("mixtures of experts are not supported", value);
    }
    throw metadata.wrong(`${key(field)} must be ${neutral}`, value);
  }
  const dims = ["key", "value"].map((of) => metadata.count(key(`attention.${of}_length`)));
  if (dims[0] !== dims[1]) throw metadata.wrong("keys and values must be of one length", dims);
}

/** The square of what scores are divided by: the head dimension where the file does not say. */
function scoreDivisor(metadata: GgufMetadata, key: (field: string) => string, dim: number): number {
  const scale = metadata.number(key("attention.scale"));
  return scale ? 1 / scale ** 2 : dim;
}

function familyFields(family: string, metadata: GgufMetadata): Fields {
  if (family === "gemma3_text") return gemma3Fields(metadata);
  if (family === "qwen2" || family === "qwen3") return { use_sliding_window: false };
  const name = metadata.needText("general.architecture");
  const window = metadata.count(`${name}.attention.sliding_window`) || null;
  if (family === "phi3") return { sliding_window: window };
  return window === null ? {} : { model_type: "mistral", sliding_window: window };
}

function gemma3Fields(metadata: GgufMetadata): Fields {
  const key = (field: string): string => `gemma3.${field}`;
  const layers = metadata.needCount(key("block_count"));
  const heads = metadata.needCount(key("attention.head_count"));
  const fields: Fields = {
    sliding_window: metadata.count(key("attention.sliding_window")) || null,
    ...gemma3Pattern(metadata, key("attention.sliding_window_pattern")),
  };
  if (layers !== GEMMA3_27B_LAYERS || metadata.has(key("attention.scale"))) return fields;
  return {
    ...fields,
    query_pre_attn_scalar: metadata.needCount(key("embedding_length")) / heads,
  };
}

/** A period, or for each layer whether it has a window. */
function gemma3Pattern(metadata: GgufMetadata, key: string): Fields {
  if (typeof metadata.get(key) !== "object") {
    return { sliding_window_pattern: metadata.count(key) ?? 6 };
  }
  const flags = Array.from(metadata.numbers(key)!);
  return { layer_types: flags.map((on) => on ? "sliding_attention" : "full_attention") };
}
