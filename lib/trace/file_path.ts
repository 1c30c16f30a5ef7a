import { fileURLToPath } from "node:url";

/** The path that a caller means by a path, which stays as it is, or a `file:` URL. */
export function filePath(place: string | URL): string {
  const isPath = typeof place === "string" && !place.startsWith("file:");
  return isPath ? place : fileURLToPath(place);
}
