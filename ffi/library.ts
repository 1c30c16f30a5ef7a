/** Finds the native library, and builds it where there is none yet. */
import { fileURLToPath } from "node:url";
import { buildLibrary, type BuildOptions, libraryNames } from "./build.ts";
import { isFile } from "./build_folder.ts";
import { type Language, missingRunFlag } from "./compiler.ts";
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

/** A library that is looked for in folders, and can be built into them. */
export interface LibraryKind {
  /** What it is called in messages. */
  readonly title: string;
  /** Language of the compiler that builds it. */
  readonly language: Language;
  /** Its file names, the best first. */
  readonly names: readonly string[];
  /** Builds it into a folder and returns its path. */
  readonly build: (folder: string, options: BuildOptions) => Promise<string>;
}

/** The library of `LONGLENS_LIBRARY`, or `undefined`. */
export function chosenLibrary(): string | undefined {
  return readEnv("LONGLENS_LIBRARY");
}

/** The library of `LONGLENS_CUDA_LIBRARY`, or `undefined`. */
export function chosenCudaLibrary(): string | undefined {
  return readEnv("LONGLENS_CUDA_LIBRARY");
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
  return await findOrBuild(await cpuLibrary(), options);
}

/** The library of the CPU that the present sources make. */
export async function cpuLibrary(): Promise<LibraryKind> {
  const names = await libraryNames();
  return { title: "native library", language: "C++", names, build: buildLibrary };
}

/** The library in a folder, else built into the first that takes it. Throws a `LibraryError` that says what is missing. */
export async function findOrBuild(kind: LibraryKind, options: BuildOptions): Promise<LibraryFile> {
  const folders = libraryFolders();
  if (folders.length === 0) throw missing(kind, [NO_FOLDER]);
  return await findBuilt(folders, kind) ?? await buildInto(folders, kind, options);
}

/** The library in one of `folders`, or `null`. Folders that may not be read are left out. */
export async function findBuilt(
  folders: readonly LibraryFolder[],
  { names }: Pick<LibraryKind, "names">,
): Promise<LibraryFile | null> {
  for (const name of names) {
    for (const { path: folder, source } of folders) {
      const path = `${folder}/${name}`;
      if (granted({ name: "read", path }) && await isFile(path)) return { path, source };
    }
  }
  return null;
}

/** What must be allowed before a library in `folder` can be built and used, as a phrase, or `null`. */
export function missingFlags(folder: string, language: Language = "C++"): string | null {
  const toUse = (["ffi", "read"] as const).filter((name) => !granted({ name, path: folder }));
  const toBuild = granted({ name: "write", path: folder }) ? [] : [`--allow-write=${folder}`];
  toBuild.push(...missingRunFlag(language));
  const using = toUse.map((name) => `--allow-${name}=${folder}`).join(" ");
  const building = toBuild.length > 0 ? `${toBuild.join(" ")} to build it` : "";
  return [using, building].filter((text) => text !== "").join(", and ") || null;
}

const NO_FOLDER =
  "no folder is known to build it in: set LONGLENS_CACHE, or allow HOME with --allow-env=HOME,XDG_CACHE_HOME,LONGLENS_*";

async function buildInto(
  folders: readonly LibraryFolder[],
  kind: LibraryKind,
  options: BuildOptions,
): Promise<LibraryFile> {
  const problems: string[] = [];
  for (const { path: folder, source } of folders) {
    const flags = missingFlags(folder, kind.language);
    if (flags) {
      problems.push(`${folder} needs ${flags}`);
      continue;
    }
    try {
      return { path: await kind.build(folder, options), source };
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      problems.push(`${folder} cannot be written: ${error.message}`);
    }
  }
  throw missing(kind, problems);
}

function missing({ title }: LibraryKind, problems: readonly string[]): LibraryError {
  return new LibraryError(`Cannot find the ${title}: ${problems.join("; ")}`);
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
