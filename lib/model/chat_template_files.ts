/** Where a model folder keeps its chat templates: files of their own go before entries of configuration files. */
import { basename, join } from "node:path";
import { TokenizerError } from "../../ffi/errors.ts";
import { exists, readJsonFile, readTextFile } from "./json_file.ts";
import { tokenizerError } from "./token_bytes.ts";

const FILE = { maxBytes: 2 ** 20, error: TokenizerError };
const DEFAULT = "default";

/** The chat templates of `folder` by name, `config` being its `tokenizer_config.json`. */
export async function loadChatTemplates(
  folder: string,
  config: unknown,
): Promise<Map<string, string>> {
  const files = await readTemplateFiles(folder);
  if (files.size > 0) return files;
  const entries = readChatTemplates(config);
  const path = join(folder, "chat_template.json");
  if (entries.size > 0 || !await exists(path)) return entries;
  return readChatTemplates(await readJsonFile(path, FILE));
}

/** The chat templates that `json["chat_template"]` holds: a text, or a list of named ones. */
export function readChatTemplates(json: unknown): Map<string, string> {
  const entry = (json as Record<string, unknown> | null | undefined)?.["chat_template"] ?? [];
  const list = typeof entry === "string" ? [{ name: DEFAULT, template: entry }] : entry;
  if (!Array.isArray(list)) throw tokenizerError("chat_template must be a text or a list", entry);
  return new Map(list.map(readNamed));
}

function readNamed(entry: unknown): [name: string, template: string] {
  const { name, template } = (entry ?? {}) as Record<string, unknown>;
  if (typeof name === "string" && typeof template === "string") return [name, template];
  throw tokenizerError("an entry of chat_template must have name and template", entry);
}

async function readTemplateFiles(folder: string): Promise<Map<string, string>> {
  const templates = new Map<string, string>();
  const single = join(folder, "chat_template.jinja");
  if (await exists(single)) templates.set(DEFAULT, await readTextFile(single, FILE));
  const more = join(folder, "additional_chat_templates");
  if (!await exists(more)) return templates;
  for await (const { name } of Deno.readDir(more)) {
    if (!name.endsWith(".jinja")) continue;
    templates.set(basename(name, ".jinja"), await readTextFile(join(more, name), FILE));
  }
  return templates;
}
