import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The absolute path that a caller means. */
export function filePath(path: string | URL): string {
  return typeof path === "string" ? resolve(path) : fileURLToPath(path);
}
