/** What `deno task doctor` shows: whether the native library can be used here, and what to do where it cannot. */
import type { BackendInfo } from "./backend.ts";
import { sourceKey } from "./build.ts";
import { findCompiler } from "./compiler.ts";
import {
  chosenLibrary,
  findBuilt,
  type LibraryFile,
  libraryFolders,
  missingFlags,
} from "./library.ts";
import { openBackend } from "./open.ts";
import { granted } from "./permissions.ts";
import { ABI_VERSION } from "./symbols.ts";

/** State of a machine as Longlens sees it. */
export interface Diagnosis {
  /** Version of Deno. */
  readonly deno: string;
  /** Operating system and architecture. */
  readonly platform: string;
  /** ABI version that this package needs of its library. */
  readonly abi: number;
  /** Hash of the library's sources, flags and platform. */
  readonly sourceKey: string;
  /** Command and version of the C++ compiler. */
  readonly compiler: string | null;
  /** Folders in which the library is looked for. */
  readonly folders: readonly string[];
  /** The library that would be loaded. */
  readonly library: LibraryFile | null;
  /** What the library runs on, when it could be loaded. */
  readonly native: BackendInfo | null;
  /** Which of Deno's permissions are granted in full. */
  readonly permissions: Readonly<Record<string, boolean>>;
  /** What is missing and what to do, empty when the native library works. */
  readonly problems: readonly string[];
}

const PERMISSIONS = ["ffi", "read", "write", "env", "run", "net"] as const;

/** Looks at this machine. Builds nothing and prints nothing. */
export async function diagnose(): Promise<Diagnosis> {
  const problems: string[] = [];
  const obstacles: string[] = []; // to building
  const folders = libraryFolders().map(({ path }) => path);
  const compiler = await orProblem(obstacles, async () => {
    const { command, args, version } = await findCompiler();
    return `${[command, ...args].join(" ")}: ${version}`;
  });
  const library = await findAny();
  const native = library && await orProblem(problems, async () => {
    return (await openBackend({ backend: "cpu" })).info(); // builds nothing, as there is one
  });
  if (!library) problems.push(...obstacles, ...buildSteps(folders));
  return {
    deno: Deno.version.deno,
    platform: `${Deno.build.os} ${Deno.build.arch}`,
    abi: ABI_VERSION,
    sourceKey: await sourceKey(),
    compiler,
    folders,
    library,
    native,
    permissions: Object.fromEntries(PERMISSIONS.map((name) => [name, granted({ name })])),
    problems,
  };
}

async function findAny(): Promise<LibraryFile | null> {
  const chosen = chosenLibrary();
  return chosen ? { path: chosen, source: "environment" } : await findBuilt(libraryFolders());
}

function buildSteps(folders: readonly string[]): string[] {
  const [folder] = folders;
  if (Deno.build.os === "windows") return ["Windows has no native library yet"];
  if (folder === undefined) {
    return ["No folder is known for the library: set LONGLENS_CACHE or allow HOME to be read"];
  }
  const flags = missingFlags(folder);
  const how = flags ? `needs ${flags}` : "is built when a model is loaded, or by deno task build";
  return [`The library is not built yet: it ${how}`];
}

async function orProblem<T>(problems: string[], work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    problems.push((error as Error).message);
    return null;
  }
}
