/** The rotary embedding of a GGUF model, as fields of `config.json`. */
import { ModelFormatError } from "../../../ffi/errors.ts";
import { fileBytes } from "../../../ffi/file_bytes.ts";
import { refusal } from "../../../ffi/refusal.ts";
import { architectures, ROPE_TENSORS } from "./architectures.ts";
import type { GgufMetadata } from "./metadata.ts";
import type { GgufModel } from "./model_file.ts";

type Key = (field: string) => string;
type Parameters = Readonly<Record<string, unknown>>;

const MAX_FACTORS = 512;

/** Base, rotated share and scaling of the rotary embedding; `key` puts the architecture in front of a field. */
export async function readRopeFields(
  model: GgufModel,
  key: Key,
  dim: number,
): Promise<Record<string, unknown>> {
  const { metadata } = model;
  const gemma3 = key("") === "gemma3.";
  const rotated = metadata.count(key("rope.dimension_count")) ?? dim;
  assertRotated(metadata, rotated, dim);
  return {
    rope_theta: metadata.number(key("rope.freq_base")) ?? (gemma3 ? 1e6 : 1e4),
    rope_local_base_freq: metadata.number(key("rope.freq_base_swa")) ?? 1e4,
    rope_parameters: await readScaling(model, key),
    original_max_position_embeddings: metadata.count(key("rope.scaling.original_context_length")),
    // half a dimension more, because the share is cut to whole dimensions
    partial_rotary_factor: rotated === dim ? 1 : (rotated + 0.5) / dim,
  };
}

/** Rows in pairs are put in order for whole heads only. */
function assertRotated(metadata: GgufMetadata, rotated: number, dim: number): void {
  const name = metadata.needText("general.architecture");
  const whole = architectures.get(name)!.pairedRows;
  if (rotated <= dim && (rotated === dim || !whole)) return;
  const rule = whole ? `${dim} (all of a head)` : `at most ${dim}`;
  throw metadata.wrong(`${name}.rope.dimension_count must be ${rule}`, rotated);
}

async function readScaling(model: GgufModel, key: Key): Promise<Parameters> {
  const { metadata, tensors } = model;
  const named = metadata.text(key("rope.scaling.type")) ?? "none";
  if (tensors.has(ROPE_TENSORS.divisors)) return await dividedFrequencies(model, key, named);
  if (tensors.has(ROPE_TENSORS.long)) return await longrope(model, key);
  const factor = metadata.number(key("rope.scaling.factor")) ??
    metadata.number(key("rope.scale_linear")) ?? 1;
  if (named === "yarn") return yarn(metadata, key, factor);
  if (named !== "none" && named !== "linear") {
    throw metadata.wrong(`${key("rope.scaling.type")} must be none, linear, yarn`, named);
  }
  return factor === 1 || factor === 0 ? {} : { rope_type: "linear", factor };
}

/** Llama 3's rule as its result: the same divisors for contexts of every length. */
async function dividedFrequencies(
  model: GgufModel,
  key: Key,
  named: string,
): Promise<Parameters> {
  const { metadata } = model;
  if (named !== "none") {
    const rule = `${key("rope.scaling.type")} must be none beside ${ROPE_TENSORS.divisors}`;
    throw metadata.wrong(rule, named);
  }
  const divisors = await readFactors(model, ROPE_TENSORS.divisors);
  return {
    rope_type: "longrope",
    short_factor: divisors,
    long_factor: divisors,
    attention_factor: 1,
  };
}

async function longrope(model: GgufModel, key: Key): Promise<Parameters> {
  const { metadata } = model;
  return {
    rope_type: "longrope",
    short_factor: await readFactors(model, ROPE_TENSORS.short),
    long_factor: await readFactors(model, ROPE_TENSORS.long),
    attention_factor: metadata.number(key("rope.scaling.attn_factor")) ?? 1,
  };
}

function yarn(metadata: GgufMetadata, key: Key, factor: number): Parameters {
  const magnitude = 1 + 0.1 * Math.log(Math.max(factor, 1));
  const attention = metadata.number(key("rope.scaling.yarn_attn_factor")) ??
    metadata.number(key("rope.scaling.attn_factor")) ?? 1;
  return {
    rope_type: "yarn",
    factor,
    attention_factor: attention * magnitude,
    beta_fast: metadata.number(key("rope.scaling.yarn_beta_fast")),
    beta_slow: metadata.number(key("rope.scaling.yarn_beta_slow")),
  };
}

/** A small f32 tensor of the file. */
async function readFactors({ metadata, tensors }: GgufModel, name: string): Promise<number[]> {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw metadata.wrong(`tensor ${name} must be there`, undefined);
  const { type, shape, begin, end, path } = tensor;
  if (type.name !== "F32" || shape.length !== 1 || shape[0]! > MAX_FACTORS) {
    throw metadata.wrong(`${name} must be up to ${MAX_FACTORS} numbers of F32`, shape);
  }
  using file = await Deno.open(path);
  const bytes = await fileBytes(file, begin, end - begin);
  if (bytes.length !== end - begin) {
    throw refusal(ModelFormatError, `read ${name}`, "the file must keep its size", bytes.length);
  }
  return [...new Float32Array(bytes.buffer)];
}
