/** Where a model's files are: the embedded model, a folder, or the Hugging Face hub and its local cache. */
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DownloadError, ModelFormatError } from "../../ffi/errors.ts";
import { cacheFolder } from "../../ffi/library.ts";
import { granted } from "../../ffi/permissions.ts";
import { fetchFiles, type FileDigest, sha256 } from "./embedded_files.ts";
import { type HubOptions, type HubReference, locateOnHub } from "./hub.ts";
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

/** Options of {@link locateModel}. */
export interface LocateOptions extends HubOptions {
  /** A branch, a tag or a commit of a model of the hub; `org/name@revision` says the same. @default "main" */
  readonly revision?: string | undefined;
}

const HUB_NAME = /^(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const REVISION = /^(?!.*(?:\.\.|\/\/|\/$))\w[\w./+-]*$/;

/**
 * Finds the model that `ref` means: none is the embedded model, a path or `file:` URL is a folder, and `org/name` or
 * `org/name@revision`, where no such folder exists, is a model of the Hugging Face hub.
 */
export async function locateModel(
  ref?: string | URL,
  options: LocateOptions = {},
): Promise<ModelLocation> {
  const { revision } = options;
  const hub = await hubReference(ref, revision);
  if (hub) return { name: hub.name, folder: await locateOnHub(hub, options), source: "hub" };
  if (revision !== undefined) throw wrong("only org/name of the hub has a revision", revision);
  return ref === undefined ? await locateEmbedded() : await locateFolder(pathOf(ref));
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

async function locateFolder(path: string): Promise<ModelLocation> {
  if (!await exists(path)) throw wrong("the folder must exist", path);
  if (!await exists(join(path, "config.json"))) {
    throw wrong("its folder must hold config.json", path);
  }
  return { name: basename(path), folder: path, source: "folder" };
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

function wrong(rule: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, "load model", rule, value);
}
