/** Where a model's files are: the embedded model, a folder, a GGUF file, or the Hugging Face hub and its local cache. */
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DownloadError, ModelFormatError } from "../../ffi/errors.ts";
import { cacheFolder } from "../../ffi/library.ts";
import { granted } from "../../ffi/permissions.ts";
import { fetchFiles, type FileDigest, sha256 } from "./embedded_files.ts";
import { ggufPaths, isGgufPath } from "./gguf/model_file.ts";
import { type HubOptions, type HubReference, locateOnHub } from "./hub.ts";
import { exists } from "./json_file.ts";
import { refusal } from "../../ffi/refusal.ts";

/** A folder or file with a model in it. */
export interface ModelLocation {
  /** How the model is called: `embedded`, the name of the folder or file, or `org/name`. */
  readonly name: string;
  /** Absolute path of the folder with `config.json`, weights and tokenizer, or of the (first) GGUF file. */
  readonly path: string;
  /** What kind of reference led there. */
  readonly source: "embedded" | "folder" | "gguf" | "hub";
}

/** Options of {@link locateModel}. */
export interface LocateOptions extends HubOptions {
  /** A branch, a tag or a commit of a model of the hub; `org/name@revision` says the same. @default "main" */
  readonly revision?: string | undefined;
}

const HUB_NAME = /^(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const REVISION = /^(?!.*(?:\.\.|\/\/|\/$))\w[\w./+-]*$/;

/**
 * Finds the model that `ref` means: none is the embedded model, a path or `file:` URL is a folder or a GGUF file, where a folder
 * without `config.json` holds one GGUF model, and
 * `org/name` or `org/name@revision`, where no such folder exists, is a model of the Hugging Face hub.
 */
export async function locateModel(
  ref?: string | URL,
  options: LocateOptions = {},
): Promise<ModelLocation> {
  const { revision } = options;
  const hub = await hubReference(ref, revision);
  if (hub) return { name: hub.name, path: await locateOnHub(hub, options), source: "hub" };
  if (revision !== undefined) throw wrong("only org/name of the hub has a revision", revision);
  return ref === undefined ? await locateEmbedded() : await locateLocal(pathOf(ref));
}

/** `org/name` or `org/name@revision`, or `undefined` where `ref` is neither or there is such a folder. */
async function hubReference(
  ref: string | URL | undefined,
  chosen: string | undefined,
): Promise<HubReference | undefined> {
  if (typeof ref !== "string") return undefined;
  const [name = "", written] = ref.split(/@(.*)/s);
  if (!HUB_NAME.test(name) || await isReadable(resolve(ref))) return undefined;
  const revision = written ?? chosen ?? "main";
  if (chosen !== undefined && chosen !== revision) {
    throw wrong(`its revision is said to be ${JSON.stringify(chosen)}, too`, ref);
  }
  if (REVISION.test(revision)) return { name, revision };
  throw wrong("the revision must be a branch, a tag or a commit", revision);
}

async function isReadable(path: string): Promise<boolean> {
  return granted({ name: "read", path }) && await exists(path);
}

function pathOf(ref: string | URL): string {
  const text = String(ref);
  if (text.startsWith("file:")) return fileURLToPath(text);
  if (typeof ref === "string" && !/^https?:/.test(ref)) return resolve(ref);
  throw wrong("its URL must start with file:", text);
}

async function locateLocal(path: string): Promise<ModelLocation> {
  if (isGgufPath(path)) return await locateGguf(path);
  if (!await exists(path)) throw wrong("the folder must exist", path);
  if (await exists(join(path, "config.json"))) {
    return { name: basename(path), path, source: "folder" };
  }
  return await locateGguf(join(path, await onlyGguf(path)));
}

/** The (first) file of the only GGUF model in a folder. */
async function onlyGguf(folder: string): Promise<string> {
  const models = new Set<string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory && isGgufPath(name)) models.add(ggufPaths(name)[0]!);
  }
  const [name, ...others] = [...models].sort();
  if (name === undefined) throw wrong("its folder must hold config.json or a GGUF model", folder);
  if (others.length === 0) return name;
  throw wrong(`${basename(folder)} holds more than one GGUF model: name one`, models.size);
}

async function locateGguf(path: string): Promise<ModelLocation> {
  const first = ggufPaths(path)[0]!;
  if (!await exists(first)) throw wrong("the file must exist", first);
  return { name: basename(path), path: first, source: "gguf" };
}

async function locateEmbedded(): Promise<ModelLocation> {
  const base = new URL("./embedded/", import.meta.url);
  if (base.protocol === "file:") {
    return {
      name: "embedded",
      path: fileURLToPath(base).replace(/[/\\]$/, ""),
      source: "embedded",
    };
  }
  const { default: json } = await import("./embedded/files.json", { with: { type: "json" } });
  const files: Record<string, FileDigest> = json;
  const folder = await embeddedFolder(files);
  await fetchFiles(base, files, folder);
  return { name: "embedded", path: folder, source: "embedded" };
}

/** A folder of its own for each version of the files. */
async function embeddedFolder(files: Readonly<Record<string, FileDigest>>): Promise<string> {
  const cache = cacheFolder();
  if (cache === undefined) {
    throw new DownloadError(
      "Cannot fetch the embedded model as no cache folder is known: current value is no HOME; " +
        "set LONGLENS_CACHE, or allow HOME with --allow-env=HOME,XDG_CACHE_HOME,LONGLENS_*",
    );
  }
  const version = await sha256(new TextEncoder().encode(JSON.stringify(files)));
  return join(cache, `embedded-${version.slice(0, 16)}`);
}

function wrong(rule: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, "load model", rule, value);
}
