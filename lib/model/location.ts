/** Where a model's files are: the embedded model, a folder, or the local Hugging Face cache. */
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DownloadError, ModelFormatError } from "../../ffi/errors.ts";
import { cacheFolder } from "../../ffi/library.ts";
import { readEnv } from "../../ffi/permissions.ts";
import { fetchFiles, type FileDigest, sha256 } from "./embedded_files.ts";
import { exists } from "./json_file.ts";
import { refusal } from "./refusal.ts";

/** A folder with a model in it. */
export interface ModelLocation {
  /** How the model is called: `embedded`, the folder's name, or `org/name`. */
  readonly name: string;
  /** Absolute path of the folder with `config.json`, weights and tokenizer. */
  readonly folder: string;
  /** What kind of reference led there. */
  readonly source: "embedded" | "folder" | "hub";
}

const HUB_NAME = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/**
 * Finds the model that `ref` means: none is the embedded model, a path or `file:` URL is a folder, and `org/name`, where no
 * such folder exists, is a model in the local Hugging Face cache.
 */
export async function locateModel(ref?: string | URL): Promise<ModelLocation> {
  if (ref === undefined) return await locateEmbedded();
  const path = pathOf(ref);
  if (await exists(path)) return await locateFolder(path);
  if (typeof ref === "string" && HUB_NAME.test(ref)) return await locateInHubCache(ref);
  throw wrong("the folder must exist", path);
}

function pathOf(ref: string | URL): string {
  const text = String(ref);
  if (text.startsWith("file:")) return fileURLToPath(text);
  if (typeof ref === "string" && !/^https?:/.test(ref)) return resolve(ref);
  throw wrong("its URL must start with file:", text);
}

async function locateFolder(path: string): Promise<ModelLocation> {
  await assertHasConfig(path);
  return { name: basename(path), folder: path, source: "folder" };
}

async function assertHasConfig(folder: string): Promise<void> {
  if (await exists(join(folder, "config.json"))) return;
  throw wrong("its folder must hold config.json", folder);
}

async function locateEmbedded(): Promise<ModelLocation> {
  const base = new URL("./embedded/", import.meta.url);
  if (base.protocol === "file:") {
    return {
      name: "embedded",
      folder: fileURLToPath(base).replace(/[/\\]$/, ""),
      source: "embedded",
    };
  }
  const { default: json } = await import("./embedded/files.json", { with: { type: "json" } });
  const files: Record<string, FileDigest> = json;
  const folder = await embeddedFolder(files);
  await fetchFiles(base, files, folder);
  return { name: "embedded", folder, source: "embedded" };
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

async function locateInHubCache(name: string): Promise<ModelLocation> {
  const cache = hubCache();
  const repository = cache && join(cache, `models--${name.replace("/", "--")}`);
  const revision = repository && await readRevision(repository);
  const folder = revision && join(repository, "snapshots", revision);
  if (!folder || !await exists(folder)) throw notCached(name, repository);
  await assertHasConfig(folder);
  return { name, folder, source: "hub" };
}

/** `HF_HUB_CACHE`, `HF_HOME/hub` or the place under the user's cache, as in `huggingface_hub`. */
function hubCache(): string | undefined {
  const chosen = readEnv("HF_HUB_CACHE");
  if (chosen) return chosen;
  const home = readEnv("HF_HOME");
  if (home) return join(home, "hub");
  const user = readEnv("HOME");
  const cache = readEnv("XDG_CACHE_HOME") ?? (user && join(user, ".cache"));
  return cache && join(cache, "huggingface", "hub");
}

async function readRevision(repository: string): Promise<string | undefined> {
  const path = join(repository, "refs", "main");
  if (!await exists(path)) return undefined;
  const revision = (await Deno.readTextFile(path)).trim();
  if (/^[0-9A-Za-z]{1,64}$/.test(revision)) return revision;
  throw wrong(`${path} must hold a commit`, revision);
}

function notCached(name: string, repository: string | undefined): DownloadError {
  const place = repository ?? "no cache folder, as HF_HOME and HOME are unset or not permitted";
  return new DownloadError(
    `Cannot load ${name} as hub downloads are not supported yet, pass a folder: it is neither a folder nor in the ` +
      `local cache, current value is ${place}`,
  );
}

function wrong(rule: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, "load model", rule, value);
}
