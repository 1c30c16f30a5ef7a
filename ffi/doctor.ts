/** What `deno task doctor` shows: whether the native library can be used here, and what to do where it cannot. */
import type { BackendInfo } from "./backend.ts";
import { leftOutOf, sourceKey } from "./build.ts";
import { type UnknownIsa, unknownIsas } from "./compile_units.ts";
import { type Compiler, findCompiler } from "./compiler.ts";
import {
  chosenLibrary,
  cpuLibrary,
  findBuilt,
  type LibraryFile,
  libraryFolders,
  missingFlags,
} from "./library.ts";
import { openBackend } from "./open.ts";
import { type CudaDiagnosis, diagnoseCuda } from "./cuda_doctor.ts";
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
  /** Instruction sets that the library was built without, and why. */
  readonly leftOut: readonly UnknownIsa[];
  /** What the library runs on, when it could be loaded. */
  readonly native: BackendInfo | null;
  /** CUDA, which is never required. */
  readonly cuda: CudaDiagnosis;
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
  const compiler = await orProblem(obstacles, findCompiler);
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
    compiler: compiler && textOf(compiler),
    folders,
    library,
    leftOut: library ? await whyLeftOut(library, compiler) : [],
    native,
    cuda: await diagnoseCuda(),
    permissions: Object.fromEntries(PERMISSIONS.map((name) => [name, granted({ name })])),
    problems,
  };
}

function textOf({ command, args, version }: Compiler): string {
  return `${[command, ...args].join(" ")}: ${version}`;
}

/** What the library lacks, explained by what the compiler knows now. */
async function whyLeftOut(
  { path }: LibraryFile,
  compiler: Compiler | null,
): Promise<UnknownIsa[]> {
  const isas = leftOutOf(path);
  if (isas.length === 0) return [];
  const unknown = compiler && await probed(compiler);
  return isas.map((isa) => {
    const reason = unknown?.find((one) => one.isa === isa)?.reason;
    if (reason) return { isa, reason: `the compiler does not know it: ${reason}` };
    const now = unknown ? `; this one does: remove ${path} and it is built anew` : "";
    return { isa, reason: `the compiler that built the library did not know it${now}` };
  });
}

async function probed(compiler: Compiler): Promise<UnknownIsa[]> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-doctor-" });
  try {
    return await unknownIsas(compiler, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function findAny(): Promise<LibraryFile | null> {
  const chosen = chosenLibrary();
  return chosen
    ? { path: chosen, source: "environment" }
    : await findBuilt(libraryFolders(), await cpuLibrary());
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
