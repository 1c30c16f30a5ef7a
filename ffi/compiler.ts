/** Finds and runs the C++ compiler that builds the native library. */
import { LibraryError } from "./errors.ts";
import { granted, readEnv } from "./permissions.ts";

const COMMANDS = ["c++", "g++", "clang++"] as const;
const SHOWN_LINES = 8;

/** A C++ compiler that answers. */
export interface Compiler {
  /** Its command. */
  readonly command: string;
  /** Arguments that stand before all others, from `CXX`. */
  readonly args: readonly string[];
  /** First line of its `--version`. */
  readonly version: string;
}

/** The compiler of `CXX`, else the first of c++, g++ and clang++ on the PATH. Throws `LibraryError` where there is none. */
export async function findCompiler(): Promise<Compiler> {
  const [flag] = missingRunFlag();
  if (flag) throw new LibraryError(`Deno may not run a C++ compiler without ${flag}`);
  for (const [command, ...args] of candidates().filter(runs)) {
    const version = await versionOf(command!, args);
    if (version !== null) return { command: command!, args, version };
  }
  throw new LibraryError(`No C++ compiler answers: tried ${namesOf(candidates()).join(", ")}`);
}

/** The flag without which no compiler can be run, or nothing where one can. */
export function missingRunFlag(): string[] {
  const commands = candidates();
  return commands.some(runs) ? [] : [`--allow-run=${namesOf(commands).join(",")}`];
}

/** Runs the compiler in `cwd`. Throws `LibraryError` with its first lines when it fails. */
export async function compile(
  { command, args }: Compiler,
  options: { readonly args: readonly string[]; readonly cwd: string; readonly signal: AbortSignal },
): Promise<void> {
  const { cwd, signal } = options;
  const all = [...args, ...options.args];
  const process = new Deno.Command(command, { args: all, cwd, signal, stdout: "null" });
  const { success, stderr } = await process.output();
  if (success || signal.aborted) return;
  const lines = new TextDecoder().decode(stderr).trim().split("\n").slice(0, SHOWN_LINES);
  throw new LibraryError(
    `Cannot build the native library as ${command} failed: ${command} ${all.join(" ")}\n${
      lines.join("\n")
    }`,
  );
}

function candidates(): string[][] {
  const custom = readEnv("CXX")?.split(/\s+/).filter((word) => word !== "");
  return custom?.length ? [custom] : COMMANDS.map((command) => [command]);
}

function runs([command]: readonly string[]): boolean {
  return granted({ name: "run", command: command! });
}

function namesOf(commands: readonly string[][]): string[] {
  return commands.map(([command]) => command!);
}

async function versionOf(command: string, args: readonly string[]): Promise<string | null> {
  try {
    const process = new Deno.Command(command, { args: [...args, "--version"], stderr: "null" });
    const { success, stdout } = await process.output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0]! : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
