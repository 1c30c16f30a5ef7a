/** Weights in memory, counted by who uses them, so that loading a folder twice holds it once. */
import type { Backend } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";
import { describeModel } from "../model/describe.ts";
import type { ModelConfig, ModelWeights, Tokenizer } from "../model/types.ts";
import { loadWeights, type WeightFormat } from "../model/weights.ts";
import { throwIfAborted } from "./run.ts";

/** A model's parts, held until released. */
export interface SharedModel {
  /** Folder or GGUF file it was loaded from. */
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
  /** Folder or GGUF file it was loaded from. */
  readonly path: string;
  /** Backend that holds it. */
  readonly backend: string;
  /** Bytes of its weights. */
  readonly weightBytes: number;
  /** How many models use it. */
  readonly users: number;
}

/** How a model is loaded. */
export interface HoldOptions {
  /** Ends this caller's wait; the loading goes on while others wait for it. */
  readonly signal?: AbortSignal;
  /** Called while weights are read, with bytes done and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface Entry {
  readonly path: string;
  readonly backend: Backend;
  readonly parts: Promise<Omit<SharedModel, "release">>;
  readonly abort: AbortController;
  readonly listeners: Set<(done: number, total: number) => void>;
  weights: ModelWeights | null;
  users: number;
}

const entries = new Map<string, Entry>();
const backends = new Set<Backend>();

/** Loads a folder's model, or joins those who use it already. */
export async function holdWeights(
  path: string,
  backend: Backend,
  format: WeightFormat | undefined,
  { signal, onProgress }: HoldOptions,
): Promise<SharedModel> {
  throwIfAborted(signal);
  backends.add(backend);
  const key = [path, backend.name, format ?? "stored"].join("\n");
  const entry = entries.get(key) ?? open(key, path, backend, format);
  entry.users++;
  if (onProgress) entry.listeners.add(onProgress);
  const release = once(() => leave(key, entry));
  try {
    return { ...await unlessAborted(entry.parts, signal), release };
  } catch (error) {
    release();
    throw error;
  } finally {
    if (onProgress) entry.listeners.delete(onProgress);
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

/** Backends that models were loaded on. */
export function usedBackends(): Backend[] {
  return [...backends];
}

function open(
  key: string,
  path: string,
  backend: Backend,
  format: WeightFormat | undefined,
): Entry {
  const abort = new AbortController();
  const listeners: Entry["listeners"] = new Set();
  const onProgress = (done: number, total: number) =>
    listeners.forEach((listener) => listener(done, total));
  const parts = loadParts(path, backend, format, { signal: abort.signal, onProgress });
  const entry: Entry = { path, backend, parts, abort, listeners, weights: null, users: 0 };
  parts.then(({ weights }) => {
    entry.weights = weights;
    if (entry.users === 0) weights.close();
  }, () => forget(key, entry));
  entries.set(key, entry);
  return entry;
}

async function loadParts(
  path: string,
  backend: Backend,
  format: WeightFormat | undefined,
  options: Required<HoldOptions>,
) {
  const { config, tokenizer, checkpoint } = await describeModel(path);
  const weights = await loadWeights(checkpoint, config, backend, {
    ...(format ? { weights: format } : {}),
    ...options,
  });
  return { path, config, tokenizer, weights };
}

function leave(key: string, entry: Entry): void {
  if (--entry.users > 0) return;
  forget(key, entry);
  entry.abort.abort();
  entry.weights?.close();
}

function forget(key: string, entry: Entry): void {
  if (entries.get(key) === entry) entries.delete(key);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(new CancelledError("Loading was cancelled", { cause: signal.reason }));
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
