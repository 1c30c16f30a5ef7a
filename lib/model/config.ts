/** `config.json` of a model folder: checked, bounded, and refused by name where it asks for what is not supported. */
import { join } from "node:path";
import type { ZodType } from "zod";
import type { Activation } from "../../ffi/backend.ts";
import { families, type Family } from "./families.ts";
import { exists, readJsonFile } from "./json_file.ts";
import { isObject } from "./json_text.ts";
import { readLocalRope, readRope, type RopeFields } from "./rope_config.ts";
import { configError } from "./config_error.ts";
import { loadZod, parseWith, type Zod } from "../../ffi/schema.ts";
import type { ModelConfig } from "./types.ts";
import { readWindows, type WindowFields } from "./windows.ts";

type EosField = number | number[] | null | undefined;

interface RawConfig extends RopeFields, WindowFields {
  model_type: string;
  hidden_size: number;
  intermediate_size: number;
  vocab_size: number;
  num_attention_heads: number;
  num_key_value_heads?: number | null | undefined;
  head_dim?: number | null | undefined;
  rms_norm_eps?: number | null | undefined;
  hidden_act?: string | null | undefined;
  hidden_activation?: string | null | undefined;
  query_pre_attn_scalar?: number | null | undefined;
  tie_word_embeddings?: boolean | null | undefined;
  attention_bias?: boolean | null | undefined;
  mlp_bias?: boolean | null | undefined;
  eos_token_id?: EosField;
}

const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map([
  ["silu", "silu"],
  ["gelu_pytorch_tanh", "gelu_tanh"],
]);

const EXPERT_FIELDS = ["num_experts", "num_local_experts", "n_routed_experts"];

/** Fields that change what is computed, and must be absent, null or false. */
const OTHER_FIELDS = [
  "attn_logit_softcapping",
  "final_logit_softcapping",
  "use_bidirectional_attention",
];

/** Reads `config.json` of `folder`, and the ids that end a text from `generation_config.json` where there is one. */
export async function loadConfig(folder: string): Promise<ModelConfig> {
  const generationPath = join(folder, "generation_config.json");
  const generation = await exists(generationPath) ? await readJsonFile(generationPath) : null;
  return await readConfig(await readJsonFile(join(folder, "config.json")), generation);
}

/** The model that the contents of `config.json`, and of `generation_config.json` if given, describe. */
export async function readConfig(json: unknown, generation: unknown = null): Promise<ModelConfig> {
  const z = await loadZod();
  const text = textModel(json);
  const family = familyOf(text);
  const raw = parseWith(configSchema(z), { ...family.defaults, ...text as object }, "config.json");
  refuseUnsupported(raw, family);
  const heads = raw.num_attention_heads;
  const kvHeads = readKvHeads(raw);
  const dim = readDim(raw);
  return {
    family: family.name,
    layers: raw.num_hidden_layers,
    hidden: raw.hidden_size,
    heads,
    kvHeads,
    dim,
    ffn: raw.intermediate_size,
    vocab: raw.vocab_size,
    eps: raw.rms_norm_eps ?? 1e-6,
    activation: readActivation(raw),
    rope: readRope(z, raw, dim, family.ropeTypes),
    localRope: family.localRope ? readLocalRope(z, raw, dim, family.ropeTypes) : null,
    maxPositions: raw.max_position_embeddings,
    windows: readWindows(raw, family),
    tiedEmbeddings: raw.tie_word_embeddings ?? false,
    embedScale: family.scaledEmbeddings ? Math.sqrt(raw.hidden_size) : 1,
    scale: 1 / Math.sqrt(raw.query_pre_attn_scalar ?? dim),
    eosIds: readEosIds(z, raw, generation),
  };
}

/** The language model of one that also sees: its fields, and the ids that end a text from around them. */
function textModel(json: unknown): unknown {
  if (!isObject(json) || json["model_type"] !== "gemma3" || !isObject(json["text_config"])) {
    return json;
  }
  const { text_config, eos_token_id } = json;
  const ends = eos_token_id === undefined ? {} : { eos_token_id };
  return { ...text_config, ...ends, model_type: "gemma3_text" };
}

function familyOf(json: unknown): Family {
  const name = (json as { model_type?: unknown } | null | undefined)?.model_type;
  const family = families.get(name as string);
  if (family !== undefined) return family;
  throw configError(`model_type must be one of ${[...families.keys()].join(", ")}`, name);
}

function configSchema(z: Zod): ZodType<RawConfig> {
  const count = (max: number) => z.int().min(1).max(max);
  const flag = z.boolean().nullish();
  const parameters = z.record(z.string(), z.unknown()).nullish();
  return z.looseObject({
    model_type: z.string(),
    num_hidden_layers: count(1024),
    hidden_size: count(2 ** 17),
    intermediate_size: count(2 ** 20),
    vocab_size: count(2 ** 22),
    num_attention_heads: count(1024),
    num_key_value_heads: count(1024).nullish(),
    head_dim: count(1024).nullish(),
    max_position_embeddings: count(2 ** 31),
    original_max_position_embeddings: count(2 ** 31).nullish(),
    rms_norm_eps: z.number().min(0).max(1).nullish(),
    hidden_act: z.string().nullish(),
    hidden_activation: z.string().nullish(),
    query_pre_attn_scalar: z.number().positive().max(1e6).nullish(),
    tie_word_embeddings: flag,
    attention_bias: flag,
    mlp_bias: flag,
    use_sliding_window: flag,
    sliding_window: z.int().nullish(),
    max_window_layers: z.int().optional(),
    sliding_window_pattern: count(1024).nullish(),
    layer_types: z.array(z.string()).max(1024).nullish(),
    rope_theta: z.number().gt(1).max(1e15).nullish(),
    rope_local_base_freq: z.number().gt(1).max(1e15).nullish(),
    rope_scaling: parameters,
    rope_parameters: parameters,
    partial_rotary_factor: z.number().positive().max(1).nullish(),
    eos_token_id: eosSchema(z),
  });
}

function eosSchema(z: Zod): ZodType<EosField> {
  const id = z.int().min(0).max(2 ** 22);
  return z.union([id, z.array(id).max(256)]).nullish();
}

function refuseUnsupported(raw: RawConfig, family: Family): void {
  const fields = raw as unknown as Record<string, unknown>;
  const { quantization_config } = fields;
  if (quantization_config) {
    throw configError("quantised weights are not supported", quantization_config);
  }
  for (const field of EXPERT_FIELDS) {
    if (fields[field]) throw configError(`experts (${field}) are not supported`, fields[field]);
  }
  for (const field of OTHER_FIELDS) {
    if (fields[field]) throw configError(`${field} is not supported`, fields[field]);
  }
  if (raw.mlp_bias) throw configError("mlp_bias must be false", true);
  if (raw.attention_bias && family.optionalAttentionBias) {
    throw configError(`attention_bias of ${family.name} (also on o_proj) must be false`, true);
  }
}

function readKvHeads(raw: RawConfig): number {
  const heads = raw.num_attention_heads;
  const kvHeads = raw.num_key_value_heads ?? heads;
  if (heads % kvHeads === 0) return kvHeads;
  throw configError(`num_key_value_heads must divide num_attention_heads ${heads}`, kvHeads);
}

function readDim(raw: RawConfig): number {
  const dim = raw.head_dim ?? raw.hidden_size / raw.num_attention_heads;
  if (Number.isInteger(dim) && dim % 2 === 0 && dim <= 1024) return dim;
  throw configError("the head dimension must be an even integer of at most 1024", dim);
}

function readActivation(raw: RawConfig): Activation {
  const name = raw.hidden_activation ?? raw.hidden_act ?? "silu";
  const activation = ACTIVATIONS.get(name);
  if (activation !== undefined) return activation;
  throw configError(`hidden_act must be one of ${[...ACTIVATIONS.keys()].join(", ")}`, name);
}

function readEosIds(z: Zod, raw: RawConfig, generation: unknown): number[] {
  const schema = z.looseObject({ eos_token_id: eosSchema(z) }).nullable();
  const more = parseWith(schema, generation, "generation_config.json");
  const ids = [raw.eos_token_id, more?.eos_token_id].flat();
  return [...new Set(ids)].filter((id) => typeof id === "number");
}
