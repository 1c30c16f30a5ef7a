/** Which files of a repository a model is made of: data only, never code or pickles. */
import { type Asked, downloadError } from "./errors.ts";
import { type HubFile, isSound } from "./remote.ts";

/** The index of weights in several files. */
export const INDEX = "model.safetensors.index.json";

/** Weights in one file. */
export const SINGLE = "model.safetensors";
const TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
const TEMPLATE = ["chat_template.jinja", "chat_template.json"];
const MORE_TEMPLATES = /^additional_chat_templates\/[\w-][\w.-]*\.jinja$/;

/** Files to fetch, in order. */
export interface ChosenFiles {
  /** What tells whether the model is supported and where its weights are. */
  readonly first: readonly HubFile[];
  /** The rest, but for the files that an index names. */
  readonly rest: readonly HubFile[];
}

/** Chooses among the files of a repository. */
export function chooseFiles(files: ReadonlyMap<string, HubFile>, asked: Asked): ChosenFiles {
  const take = (...names: string[]) => names.flatMap((name) => files.get(name) ?? []);
  const single = take(SINGLE);
  const index = single.length > 0 ? [] : take(INDEX);
  if (single.length + index.length === 0) throw without(`${SINGLE} or its index`, files, asked);
  for (const name of ["config.json", "tokenizer.json"]) {
    if (!files.has(name)) throw without(name, files, asked);
  }
  const templates = [...files.keys()].filter((name) => MORE_TEMPLATES.test(name));
  const first = [...take("config.json", "generation_config.json"), ...index];
  const rest = [...take(...TOKENIZER, ...TEMPLATE, ...templates), ...single];
  return sound({ first, rest }, asked);
}

/** The files that an index names. */
export function chooseShards(
  names: readonly string[],
  files: ReadonlyMap<string, HubFile>,
  asked: Asked,
): readonly HubFile[] {
  const shards = names.map((name) => {
    const file = files.get(name);
    if (!file) throw without(name, files, asked);
    return file;
  });
  return sound({ first: [], rest: shards }, asked).rest;
}

function sound(chosen: ChosenFiles, asked: Asked): ChosenFiles {
  for (const file of [...chosen.first, ...chosen.rest]) {
    if (isSound(file)) continue;
    const { name, sizeBytes, etag } = file;
    const rule = `the hub must give a size and a checksum of ${name}`;
    throw downloadError("failed", asked, rule, JSON.stringify([sizeBytes, etag]));
  }
  return chosen;
}

function without(name: string, files: ReadonlyMap<string, HubFile>, asked: Asked): Error {
  const names = JSON.stringify([...files.keys()].slice(0, 12)).slice(0, 400);
  return downloadError("incomplete", asked, `its repository must hold ${name}`, names);
}
