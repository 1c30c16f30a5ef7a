import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { fileBytes } from "../../ffi/file_bytes.ts";
import { ggufPaths, isGgufPath } from "../model/gguf/model_file.ts";

/** Configuration, tokenizer and weights: a folder may also hold other files, as head files. */
const FILES =
  /^(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map)\.json$|\.safetensors(?:\.index\.json)?$/;

/** Bytes at both ends of a file that are hashed: training changes all of a file of weights. */
const END_BYTES = 1 << 20;

/**
 * A name that tells a model from others and from its own earlier checkpoints: the name of its folder or GGUF file (of a
 * model of the hub, its repository's) and a hash of its configuration, its tokenizer and the ends of its weights.
 */
export async function modelName(model: string): Promise<string> {
  const hash = createHash("sha256");
  for (const path of isGgufPath(model) ? ggufPaths(model) : await filesOf(model)) {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    hash.update(`${basename(path)} ${size}\n`);
    hash.update(await fileBytes(file, 0, Math.min(size, END_BYTES)));
    hash.update(await fileBytes(file, Math.max(0, size - END_BYTES), Math.min(size, END_BYTES)));
  }
  return `${shortName(model)} ${hash.digest("hex").slice(0, 12)}`;
}

async function filesOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (FILES.test(name)) names.push(name);
  }
  return names.sort().map((name) => join(folder, name));
}

function shortName(folder: string): string {
  const repository = folder.match(/\/models--(.+)--(.+)\/snapshots\/[^/]+\/*$/);
  if (repository) return `${repository[1]}/${repository[2]}`;
  return folder.replace(/\/+$/, "").split("/").at(-1)!;
}
