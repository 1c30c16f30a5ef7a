/** The tensors of a GGUF model under the names that checkpoints of transformers have. */
import type { Checkpoint } from "../checkpoint.ts";
import type { StoredTensor } from "../safetensors.ts";
import { type GgufArchitecture, OUTER_TENSORS, ROPE_TENSORS } from "./architectures.ts";
import { architectureOf } from "./config.ts";
import type { GgufModel } from "./model_file.ts";

const IN_LAYER = /^blk\.(\d+)\.(.*)$/s;
const NO_WEIGHTS: ReadonlySet<string> = new Set(Object.values(ROPE_TENSORS));

/** The tensors of a model. Names that the architecture does not have stay as they are. */
export function ggufCheckpoint({ metadata, tensors }: GgufModel): Checkpoint {
  const architecture = architectureOf(metadata);
  const named = new Map<string, StoredTensor>();
  for (const { name, type, shape, begin, end, path } of tensors.values()) {
    if (NO_WEIGHTS.has(name)) continue;
    named.set(checkpointName(name, architecture), { dtype: type.name, shape, begin, end, path });
  }
  return { tensors: named, pairedRows: architecture.pairedRows, wholeNorms: true };
}

function checkpointName(name: string, { layer }: GgufArchitecture): string {
  const [, number, rest] = IN_LAYER.exec(name) ?? [];
  if (rest === undefined) return lookUp(OUTER_TENSORS, name) ?? name;
  const inLayer = lookUp(layer, rest);
  return inLayer === undefined ? name : `model.layers.${number}.${inLayer}`;
}

function lookUp(names: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}
