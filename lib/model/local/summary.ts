/** What the files of a found model say, however damaged they are. */
import { join } from "node:path";
import { readFolderCheckpoint } from "../checkpoint.ts";
import { loadConfig } from "../config.ts";
import { ggufCheckpoint } from "../gguf/checkpoint.ts";
import { readGgufConfig } from "../gguf/config.ts";
import { fileTypes } from "../gguf/file_types.ts";
import { type GgufModel, readGgufModel } from "../gguf/model_file.ts";
import { readJsonFile } from "../json_file.ts";
import { isObject } from "../json_text.ts";
import { reasonOf } from "../../../ffi/refusal.ts";
import type { StoredTensor } from "../safetensors.ts";
import type { ModelConfig } from "../types.ts";
import { checkWeights } from "../weights.ts";
import type { FoundModel } from "./find_models.ts";

/** What is known of a model. */
export interface ModelSummary {
  /** Its architecture, as its files call it; `null` where they do not say. */
  readonly architecture: string | null;
  /** Tokens it was made for. */
  readonly contextLength: number | null;
  /** Type of its weights: of most of them, or how the file was quantised. */
  readonly quantisation: string | null;
  /** Its shapes and constants; `null` where they are not supported. */
  readonly config: ModelConfig | null;
  /** Why it cannot be loaded; `null` where its files look well. */
  readonly problem: string | null;
}

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** Reads as much as the files give; the first thing that is wrong with them becomes the problem. */
export async function summarise({ path, format }: FoundModel): Promise<ModelSummary> {
  const summary: Mutable<ModelSummary> = {
    architecture: null,
    contextLength: null,
    quantisation: null,
    config: null,
    problem: null,
  };
  try {
    await (format === "gguf" ? readGguf(path, summary) : readFolder(path, summary));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    summary.problem = reasonOf(error);
  }
  return summary;
}

async function readGguf(path: string, summary: Mutable<ModelSummary>): Promise<void> {
  const model = await readGgufModel(path);
  const { metadata } = model;
  summary.quantisation = quantisationOf(model);
  summary.architecture = metadata.text("general.architecture") ?? null;
  summary.contextLength = metadata.count(`${summary.architecture}.context_length`) ?? null;
  summary.config = await readGgufConfig(model);
  checkWeights(ggufCheckpoint(model), summary.config);
}

async function readFolder(path: string, summary: Mutable<ModelSummary>): Promise<void> {
  const json = await readJsonFile(join(path, "config.json"));
  const fields = isObject(json) ? json : {};
  summary.architecture = typeof fields["model_type"] === "string" ? fields["model_type"] : null;
  const { max_position_embeddings: positions } = fields;
  summary.contextLength = Number.isSafeInteger(positions) ? positions as number : null;
  const config = await loadConfig(path);
  const checkpoint = await readFolderCheckpoint(path, config);
  summary.contextLength = config.maxPositions;
  summary.quantisation = commonest(checkpoint.tensors.values());
  summary.config = config;
  checkWeights(checkpoint, config);
}

function quantisationOf({ metadata, tensors }: GgufModel): string | null {
  const named = fileTypes.get(metadata.count("general.file_type") ?? -1);
  if (named !== undefined) return named;
  const stored = [...tensors.values()];
  return commonest(stored.map(({ type, begin, end }) => ({ dtype: type.name, begin, end })));
}

/** The type that most bytes have. */
function commonest(
  tensors: Iterable<Pick<StoredTensor, "dtype" | "begin" | "end">>,
): string | null {
  const bytes = new Map<string, number>();
  for (const { dtype, begin, end } of tensors) {
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + end - begin);
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}
