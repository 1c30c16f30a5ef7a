import { resolve } from "node:path";
import type { Backend, PageFile, PageSpec } from "../../ffi/backend.ts";
import { readEnv } from "../../ffi/permissions.ts";
import { filePath } from "../trace/file_path.ts";
import type { SessionOptions } from "./session_types.ts";

/** The file that a session's options ask for, or `null` where its keys and values lie in memory. */
export function openKvFile(
  backend: Backend,
  spec: PageSpec,
  { kvTier, kvFile, fileBytes }: Pick<SessionOptions, "kvTier" | "kvFile" | "fileBytes">,
): PageFile | null {
  if (kvTier !== "file") return null;
  const path = kvFile === undefined ? temporaryPath() : resolve(filePath(kvFile));
  return backend.pageFile(spec, {
    path,
    ...(fileBytes === undefined ? {} : { limitBytes: fileBytes }),
  });
}

/** `/tmp` may be memory; `/var/tmp` is for what is large. */
function temporaryPath(): string {
  return resolve(readEnv("TMPDIR") ?? "/var/tmp", `longlens-${crypto.randomUUID()}.kv`);
}
