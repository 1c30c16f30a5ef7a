import { basename, resolve } from "node:path";
import { PAGE_TOKENS } from "../../ffi/backend.ts";
import { KV_BYTES } from "../../ffi/elements.ts";
import { cacheFolders } from "../model/local/caches.ts";
import { findModels, type FoundModel } from "../model/local/find_models.ts";
import { summarise } from "../model/local/summary.ts";
import type { ModelConfig } from "../model/types.ts";
import { filePath } from "../trace/file_path.ts";

/** A model on this machine. */
export interface LocalModel {
  /** What `Model.load` takes: `org/name` or `org/name@commit` in the hub's cache, else the path. */
  readonly ref: string;
  /** Its folder, or its (first) GGUF file. */
  readonly path: string;
  /** What its weights are in. */
  readonly format: "safetensors" | "gguf";
  /** Bytes of the files with weights. */
  readonly sizeBytes: number;
  /** Its architecture, as its files call it; `null` where they do not say. */
  readonly architecture: string | null;
  /** Tokens it was made for; `null` where its files do not say. */
  readonly contextLength: number | null;
  /** Type of its weights, such as `BF16` or `Q4_K_M`; `null` where its files do not say. */
  readonly quantisation: string | null;
  /** Bytes that weights as stored, keys and values take with a full context; `null` where the model is not supported. */
  readonly memoryBytes: number | null;
  /** Why it cannot be loaded; `null` where its files look well. */
  readonly problem: string | null;
}

/** Options of {@link models}. */
export interface ModelsOptions {
  /**
   * Folders to look into, with those below.
   * @default the caches of the Hugging Face hub and of llama.cpp
   */
  readonly folders?: readonly (string | URL)[];
  /** Tokens whose keys and values count as memory. @default as many as the model was made for */
  readonly contextTokens?: number;
  /** Element type of keys and values. @default "bf16" */
  readonly kv?: "f32" | "bf16" | "int8";
}

type Kv = NonNullable<ModelsOptions["kv"]>;

const SNAPSHOT = /[/\\]models--([^/\\]+)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/;

/**
 * Lists the models of local caches, or of folders: those that cannot be loaded, too, with the reason. Only headers are
 * read.
 *
 * @example
 * ```ts ignore
 * for (const { ref, contextLength, memoryBytes } of await models()) console.log(ref, contextLength, memoryBytes);
 * ```
 */
export async function models(options: ModelsOptions = {}): Promise<LocalModel[]> {
  const { folders = cacheFolders(), contextTokens, kv = "bf16" } = options;
  const listed = new Map<string, LocalModel>();
  for (const folder of folders) {
    for await (const found of findModels(resolve(filePath(folder)))) {
      if (listed.has(found.path)) continue;
      listed.set(found.path, await describe(found, contextTokens, kv));
    }
  }
  return [...listed.values()];
}

async function describe(
  found: FoundModel,
  contextTokens: number | undefined,
  kv: Kv,
): Promise<LocalModel> {
  const { config, ...said } = await summarise(found);
  const memoryBytes = config && found.sizeBytes +
      kvBytes(config, contextTokens ?? config.maxPositions, kv);
  return { ref: await refOf(found), ...found, ...said, memoryBytes };
}

/** Whole pages, as a session allocates them. */
function kvBytes({ layers, kvHeads, dim }: ModelConfig, tokens: number, kv: Kv): number {
  const rows = Math.ceil(tokens / PAGE_TOKENS) * PAGE_TOKENS;
  return rows * layers * kvHeads * dim * 2 * KV_BYTES[kv];
}

/** The hub's name of a snapshot, with the commit where it is not what `main` means. */
async function refOf({ path }: FoundModel): Promise<string> {
  const [, organisation, name, commit] = SNAPSHOT.exec(path) ?? [];
  if (commit === undefined) return path;
  const main = await textOf(resolve(path, "../../refs/main"));
  const ref = `${organisation}/${name}`;
  return main === basename(path) ? ref : `${ref}@${commit}`;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
