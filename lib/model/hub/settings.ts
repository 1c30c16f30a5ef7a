/** What the environment says about the Hugging Face hub; names and meanings are those of `huggingface_hub`. */
import { join } from "node:path";
import { DownloadError } from "../../../ffi/errors.ts";
import { readEnv } from "../../../ffi/permissions.ts";
import { exists } from "../json_file.ts";
import { refusal } from "../../../ffi/refusal.ts";

/** A secret, and where it was found. */
export interface HubToken {
  /** The secret itself: it goes into the header of a request and nowhere else. */
  readonly value: string;
  /** What a person calls it: a variable or a file. */
  readonly source: string;
}

/** The hub and its local cache. */
export interface HubSettings {
  /** Folder of the cache. */
  readonly cache: string;
  /** Where the hub is, without a slash at the end. */
  readonly endpoint: string;
  /** Who asks; undefined is anybody. */
  readonly token: HubToken | undefined;
  /** Whether only the cache may be used. */
  readonly offline: boolean;
  /** Whether files may come by the Xet protocol. */
  readonly xet: boolean;
}

/** Reads `HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_DISABLE_XET`. */
export async function hubSettings(): Promise<HubSettings> {
  return {
    cache: hubCacheFolder() ?? neededHome(),
    endpoint: endpoint(),
    token: await readToken(),
    offline: isOn("HF_HUB_OFFLINE"),
    xet: !isOn("HF_HUB_DISABLE_XET"),
  };
}

/** Folder of the hub's local cache, if anything says where it is. */
export function hubCacheFolder(): string | undefined {
  const home = hubHome();
  return readPath("HF_HUB_CACHE") ?? (home && join(home, "hub"));
}

function hubHome(): string | undefined {
  const chosen = readPath("HF_HOME");
  if (chosen) return chosen;
  const home = readEnv("HOME");
  const cache = readEnv("XDG_CACHE_HOME") ?? (home && join(home, ".cache"));
  return cache && join(cache, "huggingface");
}

function neededHome(): string {
  const home = hubHome();
  if (home) return home;
  throw new DownloadError(
    "Cannot use the Hugging Face hub as no cache folder is known: current value is no HOME; " +
      "set HF_HOME, or allow HOME with --allow-env=HOME,XDG_CACHE_HOME,HF_*",
  );
}

function readPath(variable: string): string | undefined {
  const path = readEnv(variable);
  const home = readEnv("HOME");
  return home && path?.startsWith("~/") ? join(home, path.slice(2)) : path;
}

function endpoint(): string {
  const chosen = readEnv("HF_ENDPOINT") ?? "https://huggingface.co";
  const url = URL.parse(chosen);
  if (url?.protocol === "https:" || url?.protocol === "http:") return url.href.replace(/\/+$/, "");
  const shown = chosen.replace(/^.*@/s, "...@"); // before it there may be a password
  throw refusal(DownloadError, "use the hub", "HF_ENDPOINT must be an http(s) URL", shown);
}

async function readToken(): Promise<HubToken | undefined> {
  const token = readEnv("HF_TOKEN")?.trim();
  if (token) return checked(token, "HF_TOKEN");
  const path = readPath("HF_TOKEN_PATH") ?? join(neededHome(), "token");
  const stored = await exists(path) ? (await Deno.readTextFile(path)).trim() : "";
  return stored ? checked(stored, path) : undefined;
}

function checked(value: string, source: string): HubToken {
  if (/^[\x21-\x7e]+$/.test(value)) return { value, source };
  throw new DownloadError(
    `Cannot use the token of ${source} as it must be printable ASCII without spaces: ` +
      `current value is ${value.length} characters with others among them`,
  );
}

function isOn(variable: string): boolean {
  return /^(?:1|on|yes|true)$/i.test(readEnv(variable) ?? "");
}
