/** All that a model's files say before its weights are read. */
import { type Checkpoint, readFolderCheckpoint } from "./checkpoint.ts";
import { loadConfig } from "./config.ts";
import { ggufCheckpoint } from "./gguf/checkpoint.ts";
import { readGgufConfig } from "./gguf/config.ts";
import { isGgufPath, readGgufModel } from "./gguf/model_file.ts";
import { readGgufTokenizer } from "./gguf/tokenizer.ts";
import { loadTokenizer } from "./tokenizer.ts";
import type { ModelConfig, Tokenizer } from "./types.ts";

/** A model without its weights. */
export interface ModelDescription {
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** Where the weights are. */
  readonly checkpoint: Checkpoint;
}

/** Reads what the folder or GGUF file at `path` says about its model. */
export async function describeModel(path: string): Promise<ModelDescription> {
  return isGgufPath(path) ? await describeGguf(path) : await describeFolder(path);
}

async function describeFolder(folder: string): Promise<ModelDescription> {
  const config = await loadConfig(folder);
  const tokenizer = await loadTokenizer(folder);
  return { config, tokenizer, checkpoint: await readFolderCheckpoint(folder, config) };
}

async function describeGguf(path: string): Promise<ModelDescription> {
  const model = await readGgufModel(path);
  const config = await readGgufConfig(model);
  const tokenizer = await readGgufTokenizer(model.metadata);
  return { config, tokenizer, checkpoint: ggufCheckpoint(model) };
}
