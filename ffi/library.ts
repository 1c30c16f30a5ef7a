/** Finds the native library, and builds it where there is none yet. */
import { fileURLToPath } from "node:url";
import { buildLibrary, type BuildOptions, isFile, libraryName } from "./build.ts";
import { missingRunFlag } from "./compiler.ts";
import { LibraryError } from "./errors.ts";
import { granted, readEnv } from "./permissions.ts";

/** Where a library comes from: `LONGLENS_LIBRARY`, the build folder of a checkout, or the user's cache. */
export type LibrarySource = "environment" | "checkout" | "cache";

/** A library file that was found or built. */
export interface LibraryFile {
  /** Its path. */
  readonly path: string;
  /** Where it comes from. */
  readonly source: LibrarySource;
}

/** A folder that may hold libraries. */
export interface LibraryFolder {
  /** Its path. */
  readonly path: string;
  /** What it is. */
  readonly source: LibrarySource;
}

/** The library of `LONGLENS_LIBRARY`, or `undefined`. */
export function chosenLibrary(): string | undefined {
  return readEnv("LONGLENS_LIBRARY");
}

/** Folders that may hold the library, in the order in which they are tried. */
export function libraryFolders(): LibraryFolder[] {
  const folders: LibraryFolder[] = [];
  if (import.meta.url.startsWith("file:")) {
    const path = fileURLToPath(new URL("../.build", import.meta.url));
    folders.push({ path, source: "checkout" });
  }
  const cache = cacheFolder();
  if (cache) folders.push({ path: cache, source: "cache" });
  return folders;
}

/**
 * The library that the present sources make: from `LONGLENS_LIBRARY`, else from a folder, else built into the first
 * folder that takes it.
 *
 * @throws {LibraryError} that says what is missing
 */
export async function findLibrary(options: BuildOptions = {}): Promise<LibraryFile> {
  const chosen = chosenLibrary();
  if (chosen) return { path: chosen, source: "environment" };
  if (Deno.build.os === "windows") throw new LibraryError("Windows has no native library yet");
  const folders = libraryFolders();
  if (folders.length === 0) throw missing([NO_FOLDER]);
  return await findBuilt(folders) ?? await buildInto(folders, options);
}

/** The library of the present sources in one of `folders`, or `null`. Folders that may not be read are left out. */
export async function findBuilt(folders: readonly LibraryFolder[]): Promise<LibraryFile | null> {
  const name = await libraryName();
  for (const { path: folder, source } of folders) {
    const path = `${folder}/${name}`;
    if (granted({ name: "read", path }) && await isFile(path)) return { path, source };
  }
  return null;
}

/** What must be allowed before a library in `folder` can be built and used, as a phrase, or `null`. */
export function missingFlags(folder: string): string | null {
  const toUse = (["ffi", "read"] as const).filter((name) => !granted({ name, path: folder }));
  const toBuild = granted({ name: "write", path: folder }) ? [] : [`--allow-write=${folder}`];
  toBuild.push(...missingRunFlag());
  const using = toUse.map((name) => `--allow-${name}=${folder}`).join(" ");
  const building = toBuild.length > 0 ? `${toBuild.join(" ")} to build it` : "";
  return [using, building].filter((text) => text !== "").join(", and ") || null;
}

const NO_FOLDER =
  "no folder is known to build it in: set LONGLENS_CACHE, or allow HOME with --allow-env=HOME,XDG_CACHE_HOME,LONGLENS_*";

async function buildInto(
  folders: readonly LibraryFolder[],
  options: BuildOptions,
): Promise<LibraryFile> {
  const problems: string[] = [];
  for (const { path: folder, source } of folders) {
    const flags = missingFlags(folder);
    if (flags) {
      problems.push(`${folder} needs ${flags}`);
      continue;
    }
    try {
      return { path: await buildLibrary(folder, options), source };
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      problems.push(`${folder} cannot be written: ${error.message}`);
    }
  }
  throw missing(problems);
}

function missing(problems: readonly string[]): LibraryError {
  return new LibraryError(`Cannot find the native library: ${problems.join("; ")}`);
}

function isUnwritable(error: unknown): error is Error {
  return error instanceof Deno.errors.PermissionDenied ||
    (error as { code?: string }).code === "EROFS";
}

/** The folder of the user's cache that is Longlens's own, or `undefined` where none is known. */
export function cacheFolder(): string | undefined {
  const chosen = readEnv("LONGLENS_CACHE");
  if (chosen) return chosen;
  const xdg = readEnv("XDG_CACHE_HOME");
  if (xdg) return `${xdg}/longlens`;
  const home = readEnv("HOME");
  if (!home) return undefined;
  return Deno.build.os === "darwin" ? `${home}/Library/Caches/longlens` : `${home}/.cache/longlens`;
}
