/** The stored weights of a model, whatever format they come in. */
import type { ModelConfig } from "./types.ts";
import { families } from "./families.ts";
import { readCheckpoint, type StoredTensor } from "./safetensors.ts";

/** Stored tensors, named as transformers names them, and how their values are meant. */
export interface Checkpoint {
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /**
   * Whether rows of query and key matrices are in pairs: then dimensions `i` and `i + dim / 2` of a head are stored as rows
   * `2 i` and `2 i + 1`.
   */
  readonly pairedRows: boolean;
  /** Whether weights of norms are what multiplies, without the family's offset. */
  readonly wholeNorms: boolean;
}

/** The weights in the safetensors files of `folder`. */
export async function readFolderCheckpoint(
  folder: string,
  { family }: ModelConfig,
): Promise<Checkpoint> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of await readCheckpoint(folder)) {
    tensors.set(canonicalName(name, family), tensor);
  }
  return { tensors, pairedRows: false, wholeNorms: false };
}

function canonicalName(name: string, family: string): string {
  const prefix = families.get(family)!.prefixes.find(([stored]) => stored.test(name));
  return prefix === undefined ? name : name.replace(prefix[0], prefix[1]);
}
