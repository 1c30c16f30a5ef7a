/** Weights in memory, counted by who uses them, so that loading a folder twice holds it once. */
import type { Backend } from "../../ffi/backend.ts";
import { loadConfig } from "../model/config.ts";
import { loadTokenizer } from "../model/tokenizer.ts";
import type { ModelConfig, ModelWeights, Tokenizer } from "../model/types.ts";
import { loadWeights } from "../model/weights.ts";

/** A model's parts, held until released. */
export interface SharedModel {
  /** Folder it was loaded from. */
  readonly path: string;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** Weights in the backend's memory. */
  readonly weights: ModelWeights;
  /** Gives it back; the last one frees the weights. */
  release(): void;
}

/** What is held in memory. */
export interface HeldModel {
  /** Folder it was loaded from. */
  readonly path: string;
  /** Backend that holds it. */
  readonly backend: string;
  /** Bytes of its weights. */
  readonly weightBytes: number;
  /** How many models use it. */
  readonly users: number;
}

interface Entry {
  readonly path: string;
  readonly backend: Backend;
  readonly parts: Promise<Omit<SharedModel, "release">>;
  weights: ModelWeights | null;
  users: number;
}

const entries = new Map<string, Entry>();

/** Loads a folder's model, or joins those who use it already. */
export async function holdWeights(
  path: string,
  backend: Backend,
  dtype: "f32" | "bf16" | undefined,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void },
): Promise<SharedModel> {
  const key = [path, backend.name, dtype ?? "stored"].join("\n");
  const entry = entries.get(key) ?? open(key, path, backend, dtype, options);
  entry.users++;
  const release = once(() => leave(key, entry));
  try {
    return { ...await entry.parts, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Models held in memory. */
export function heldModels(): HeldModel[] {
  return [...entries.values()].map(({ path, backend, weights, users }) => ({
    path,
    backend: backend.name,
    weightBytes: weights?.sizeBytes ?? 0,
    users,
  }));
}

/** Backends that hold weights. */
export function heldBackends(): Backend[] {
  return [...new Set([...entries.values()].map(({ backend }) => backend))];
}

function open(
  key: string,
  path: string,
  backend: Backend,
  dtype: "f32" | "bf16" | undefined,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void },
): Entry {
  const parts = loadParts(path, backend, dtype, options);
  const entry: Entry = { path, backend, parts, weights: null, users: 0 };
  parts.then(({ weights }) => {
    entry.weights = weights;
    if (entry.users === 0) weights.close();
  }, () => entries.delete(key));
  entries.set(key, entry);
  return entry;
}

async function loadParts(
  path: string,
  backend: Backend,
  dtype: "f32" | "bf16" | undefined,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void },
) {
  const config = await loadConfig(path);
  const tokenizer = await loadTokenizer(path);
  const { signal, onProgress } = options;
  const weights = await loadWeights(path, config, backend, {
    ...(dtype ? { weights: dtype } : {}),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  return { path, config, tokenizer, weights };
}

function leave(key: string, entry: Entry): void {
  if (--entry.users > 0) return;
  if (entries.get(key) === entry) entries.delete(key);
  entry.weights?.close();
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
