/** Models below a folder, found by the names of files; nothing is opened. */
import { basename, join } from "node:path";
import { ggufPaths, isGgufPath } from "../gguf/model_file.ts";
import { INDEX, SINGLE } from "../hub/choose.ts";

/** A model that was found. */
export interface FoundModel {
  /** Folder of the model, or its (first) GGUF file. */
  readonly path: string;
  /** What its weights are in. */
  readonly format: "safetensors" | "gguf";
  /** Bytes of the files with weights. */
  readonly sizeBytes: number;
}

const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;
const MAX_DEPTH = 8;
const MAX_FOLDERS = 20_000;

/** Models in `root` and the folders below, links to folders not followed. A folder that is not there has none. */
export async function* findModels(root: string): AsyncGenerator<FoundModel> {
  let folders: string[] = [root];
  let seen = 0;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const below: string[] = [];
    for (const folder of folders) {
      if (++seen > MAX_FOLDERS) return;
      const entries = await entriesOf(folder);
      yield* modelsIn(folder, entries);
      for (const { name, isDirectory } of entries) {
        if (isDirectory) below.push(join(folder, name));
      }
    }
    folders = below;
  }
}

/** In the order of their names, so that lists of models are the same everywhere. */
async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    const { NotADirectory, NotFound, PermissionDenied } = Deno.errors;
    const kinds = [NotADirectory, NotFound, PermissionDenied];
    if (kinds.some((kind) => error instanceof kind)) return [];
    throw error;
  }
}

async function* modelsIn(
  folder: string,
  entries: readonly Deno.DirEntry[],
): AsyncGenerator<FoundModel> {
  const names = new Set(entries.filter((entry) => !entry.isDirectory).map(({ name }) => name));
  const weights = weightFiles(names);
  if (names.has("config.json") && weights.length > 0) {
    const sizeBytes = await sizeOf(weights.map((name) => join(folder, name)));
    yield { path: folder, format: "safetensors", sizeBytes };
  }
  for (const name of names) {
    const path = join(folder, name);
    const parts = ggufPaths(path);
    if (!isGgufPath(name) || basename(parts[0]!) !== name) continue;
    const found = parts.filter((part) => names.has(basename(part)));
    yield { path, format: "gguf", sizeBytes: await sizeOf(found) };
  }
}

function weightFiles(names: ReadonlySet<string>): string[] {
  if (names.has(SINGLE)) return [SINGLE];
  return names.has(INDEX) ? [...names].filter((name) => SHARD.test(name)) : [];
}

/** Links into a cache may have lost their files. */
async function sizeOf(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of paths) {
    try {
      bytes += (await Deno.stat(path)).size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}
