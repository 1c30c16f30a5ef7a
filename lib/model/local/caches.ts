/** Folders in which models lie that other programs downloaded. */
import { join } from "node:path";
import { readEnv } from "../../../ffi/permissions.ts";
import { hubCacheFolder } from "../hub/settings.ts";

/** The cache of the Hugging Face hub and that of llama.cpp, whether or not they exist. */
export function cacheFolders(): string[] {
  return [hubCacheFolder(), llamaCacheFolder()].filter((folder) => folder !== undefined);
}

function llamaCacheFolder(): string | undefined {
  const chosen = readEnv("LLAMA_CACHE");
  if (chosen) return chosen;
  const base = systemCache();
  return base && join(base, "llama.cpp");
}

function systemCache(): string | undefined {
  const home = readEnv("HOME");
  if (Deno.build.os === "windows") return readEnv("LOCALAPPDATA");
  if (Deno.build.os === "darwin") return home && join(home, "Library/Caches");
  return readEnv("XDG_CACHE_HOME") ?? (home && join(home, ".cache"));
}
