/** Rotary embedding parameters of `config.json`, in the two spellings that are in use. */
import type { ZodType } from "zod";
import { configError } from "./config_error.ts";
import { parseWith, type Zod } from "../../ffi/schema.ts";
import type { RopeConfig, RopeScaling } from "./types.ts";

/** Fields of `config.json` that decide about the rotary embedding. */
export interface RopeFields {
  /** Base of the frequencies, older spelling. */
  readonly rope_theta?: number | null | undefined;
  /** Older spelling: scaling only. */
  readonly rope_scaling?: Record<string, unknown> | null | undefined;
  /** Newer spelling: scaling and base. */
  readonly rope_parameters?: Record<string, unknown> | null | undefined;
  /** Base of the frequencies in layers with a sliding window, older spelling. */
  readonly rope_local_base_freq?: number | null | undefined;
  /** Share of a head that is rotated. */
  readonly partial_rotary_factor?: number | null | undefined;
  /** Positions of the model. */
  readonly max_position_embeddings: number;
  /** Positions before scaling, where it stands outside the rope parameters. */
  readonly original_max_position_embeddings?: number | null | undefined;
}

interface RopeParameters {
  rope_type?: string | null | undefined;
  type?: string | null | undefined;
  rope_theta?: number | null | undefined;
  partial_rotary_factor?: number | null | undefined;
  factor?: number | null | undefined;
  original_max_position_embeddings?: number | null | undefined;
  low_freq_factor?: number | null | undefined;
  high_freq_factor?: number | null | undefined;
  attention_factor?: number | null | undefined;
  mscale?: number | null | undefined;
  mscale_all_dim?: number | null | undefined;
  beta_fast?: number | null | undefined;
  beta_slow?: number | null | undefined;
  truncate?: boolean | null | undefined;
  short_factor?: number[] | null | undefined;
  long_factor?: number[] | null | undefined;
}

type RopeTypes = ReadonlyMap<string, RopeScaling["type"]>;

const DEFAULT_THETA = 10_000;

/** The rotary embedding of a head of `dim` dimensions; `types` says what the family's rope types mean. */
export function readRope(z: Zod, fields: RopeFields, dim: number, types: RopeTypes): RopeConfig {
  const parameters = parseWith(ropeSchema(z), chosen(fields), "config.json");
  const partial = parameters.partial_rotary_factor ?? fields.partial_rotary_factor ?? 1;
  const theta = parameters.rope_theta ?? fields.rope_theta ?? DEFAULT_THETA;
  const rot = Math.trunc(dim * partial);
  if (rot < 2 || rot % 2 !== 0) {
    throw configError("rotated dimensions (head_dim * partial_rotary_factor) must be even", rot);
  }
  return { theta, rot, scaling: readScaling(parameters, fields, rot, types) };
}

/** The rotary embedding of layers with a sliding window, in families where it is another: never scaled but by name. */
export function readLocalRope(
  z: Zod,
  fields: RopeFields,
  dim: number,
  types: RopeTypes,
): RopeConfig {
  const local = (fields.rope_parameters ?? {})["sliding_attention"] ?? {};
  const { rope_local_base_freq: rope_theta } = fields;
  const rope_parameters = local as Record<string, unknown>;
  return readRope(z, { ...fields, rope_theta, rope_scaling: null, rope_parameters }, dim, types);
}

function ropeSchema(z: Zod): ZodType<RopeParameters> {
  const positive = z.number().positive().max(1e12).nullish();
  const count = z.int().min(1).max(2 ** 31).nullish();
  const factors = z.array(z.number().positive().max(1e12)).max(512).nullish();
  return z.looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish(),
    rope_theta: z.number().gt(1).max(1e15).nullish(),
    partial_rotary_factor: z.number().positive().max(1).nullish(),
    factor: positive,
    original_max_position_embeddings: count,
    low_freq_factor: positive,
    high_freq_factor: positive,
    attention_factor: positive,
    mscale: z.number().min(0).max(1e6).nullish(),
    mscale_all_dim: z.number().min(0).max(1e6).nullish(),
    beta_fast: z.number().min(0).max(1e6).nullish(),
    beta_slow: z.number().min(0).max(1e6).nullish(),
    truncate: z.boolean().nullish(),
    short_factor: factors,
    long_factor: factors,
  });
}

/** `rope_scaling` wins, as in transformers; a newer file may nest the parameters by layer type. */
function chosen(fields: RopeFields): Record<string, unknown> {
  const { rope_scaling, rope_parameters } = fields;
  const given = hasKeys(rope_scaling) ? rope_scaling : rope_parameters ?? {};
  const nested = given["full_attention"];
  return typeof nested === "object" && nested !== null ? { ...nested } : given;
}

function hasKeys(
  value: Record<string, unknown> | null | undefined,
): value is Record<string, unknown> {
  return value !== null && value !== undefined && Object.keys(value).length > 0;
}

function readScaling(
  parameters: RopeParameters,
  fields: RopeFields,
  rot: number,
  types: RopeTypes,
): RopeScaling {
  const name = parameters.rope_type ?? parameters.type ?? "default";
  const type = types.get(name);
  switch (type) {
    case "default":
      return { type };
    case "linear":
      return { type, factor: need(parameters, "factor") };
    case "dynamic":
      return readDynamic(parameters, fields, rot);
    case "llama3":
      return readLlama3(parameters, fields);
    case "yarn":
      return readYarn(parameters, fields);
    case "longrope":
      return readLongrope(parameters, fields, rot);
    case undefined:
      throw configError(`the rope type must be one of ${[...types.keys()].join(", ")}`, name);
  }
}

function readDynamic(parameters: RopeParameters, fields: RopeFields, rot: number): RopeScaling {
  if (rot < 4) throw configError("dynamic rope needs 4 rotated dimensions or more", rot);
  return {
    type: "dynamic",
    factor: need(parameters, "factor"),
    originalMaxPositions: fields.max_position_embeddings,
  };
}

function readLlama3(parameters: RopeParameters, fields: RopeFields): RopeScaling {
  const lowFreqFactor = need(parameters, "low_freq_factor");
  const highFreqFactor = need(parameters, "high_freq_factor");
  if (highFreqFactor <= lowFreqFactor) {
    throw configError(
      `high_freq_factor must be above low_freq_factor ${lowFreqFactor}`,
      highFreqFactor,
    );
  }
  return {
    type: "llama3",
    factor: need(parameters, "factor"),
    lowFreqFactor,
    highFreqFactor,
    originalMaxPositions: originalPositions(parameters, fields),
  };
}

function readYarn(parameters: RopeParameters, fields: RopeFields): RopeScaling {
  const originalMaxPositions = originalPositions(parameters, fields);
  const factor = parameters.factor ?? fields.max_position_embeddings / originalMaxPositions;
  return {
    type: "yarn",
    factor,
    originalMaxPositions,
    betaFast: parameters.beta_fast || 32,
    betaSlow: parameters.beta_slow || 1,
    attentionFactor: parameters.attention_factor ?? yarnAttentionFactor(factor, parameters),
    truncate: parameters.truncate ?? true,
  };
}

function yarnAttentionFactor(factor: number, parameters: RopeParameters): number {
  const { mscale, mscale_all_dim } = parameters;
  if (mscale && mscale_all_dim) {
    return magnitude(factor, mscale) / magnitude(factor, mscale_all_dim);
  }
  return magnitude(factor, 1);
}

function magnitude(factor: number, scale: number): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

function readLongrope(parameters: RopeParameters, fields: RopeFields, rot: number): RopeScaling {
  const originalMaxPositions = originalPositions(parameters, fields);
  if (originalMaxPositions < 2) {
    throw configError("longrope needs 2 original positions or more", originalMaxPositions);
  }
  const factor = parameters.factor ?? fields.max_position_embeddings / originalMaxPositions;
  return {
    type: "longrope",
    shortFactor: needFactors(parameters, "short_factor", rot),
    longFactor: needFactors(parameters, "long_factor", rot),
    originalMaxPositions,
    attentionFactor: parameters.attention_factor ??
      longropeAttentionFactor(factor, originalMaxPositions),
  };
}

/** LongRoPE (Ding et al. 2024): the entropy of attention over `factor` times as many keys. */
function longropeAttentionFactor(factor: number, originalMaxPositions: number): number {
  if (factor <= 1) return 1;
  return Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions));
}

function needFactors(
  parameters: RopeParameters,
  key: "short_factor" | "long_factor",
  rot: number,
): number[] {
  const factors = parameters[key];
  if (factors?.length === rot / 2) return factors;
  throw configError(`${key} must hold ${rot / 2} numbers, one an angle`, factors?.length);
}

function originalPositions(parameters: RopeParameters, fields: RopeFields): number {
  return fields.original_max_position_embeddings ?? parameters.original_max_position_embeddings ??
    fields.max_position_embeddings;
}

function need(
  parameters: RopeParameters,
  key: "factor" | "low_freq_factor" | "high_freq_factor",
): number {
  const value = parameters[key];
  if (value === null || value === undefined) {
    throw configError(`the rope parameters must have ${key}`, value);
  }
  return value;
}
