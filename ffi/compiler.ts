/** Finds and runs the compilers that build the native libraries. */
import { LibraryError } from "./errors.ts";
import { granted, readEnv } from "./permissions.ts";

/** A language that a compiler is for. */
export type Language = "C++" | "CUDA";

/** Where its compiler is looked for, after the variable that names one. */
const COMMANDS: Readonly<Record<Language, { variable: string; commands: readonly string[] }>> = {
  "C++": { variable: "CXX", commands: ["c++", "g++", "clang++"] },
  CUDA: { variable: "NVCC", commands: ["nvcc", "/usr/local/cuda/bin/nvcc"] },
};
const SHOWN_LINES = 8;

/** A compiler that answers. */
export interface Compiler {
  /** Its command. */
  readonly command: string;
  /** Arguments that stand before all others, from `CXX` or `NVCC`. */
  readonly args: readonly string[];
  /** The line of its `--version` that tells it. */
  readonly version: string;
}

/**
 * The compiler of `CXX`, else the first of c++, g++ and clang++ on the PATH; for CUDA that of `NVCC`, else nvcc.
 *
 * @throws {LibraryError} where there is none
 */
export async function findCompiler(language: Language = "C++"): Promise<Compiler> {
  const [flag] = missingRunFlag(language);
  if (flag) throw new LibraryError(`Deno may not run a ${language} compiler without ${flag}`);
  const all = candidates(language);
  for (const [command, ...args] of all.filter(runs)) {
    const version = await versionOf(command!, args);
    if (version !== null) return { command: command!, args, version };
  }
  throw new LibraryError(`No ${language} compiler answers: tried ${namesOf(all).join(", ")}`);
}

/** The flag without which no compiler can be run, or nothing where one can. */
export function missingRunFlag(language: Language = "C++"): string[] {
  const commands = candidates(language);
  return commands.some(runs) ? [] : [`--allow-run=${namesOf(commands).join(",")}`];
}

/** What to run a compiler with. */
export interface CompileOptions {
  /** Its arguments. */
  readonly args: readonly string[];
  /** Folder that it works in. */
  readonly cwd: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Runs the compiler in `cwd` and returns what it reports. Throws `LibraryError` with the first lines about an error when it fails. */
export async function compile(compiler: Compiler, options: CompileOptions): Promise<string> {
  const { success, report } = await runCompiler(compiler, options);
  if (success || options.signal.aborted) return report;
  const { command, args } = compiler;
  const lines = report.trim().split("\n");
  const first = Math.max(lines.findIndex((line) => /error/i.test(line)), 0); // ptxas reports before
  throw new LibraryError(
    `Cannot build the native library as ${command} failed: ${
      [command, ...args, ...options.args].join(" ")
    }\n${lines.slice(first, first + SHOWN_LINES).join("\n")}`,
  );
}

/** Runs the compiler in `cwd`: whether it succeeds, and what it reports. */
export async function runCompiler(
  { command, args }: Compiler,
  options: CompileOptions,
): Promise<{ success: boolean; report: string }> {
  const { cwd, signal } = options;
  const all = [...args, ...options.args];
  const process = new Deno.Command(command, { args: all, cwd, signal, stdout: "null" });
  const { success, stderr } = await process.output();
  return { success, report: new TextDecoder().decode(stderr) };
}

function candidates(language: Language): string[][] {
  const { variable, commands } = COMMANDS[language];
  const custom = readEnv(variable)?.split(/\s+/).filter((word) => word !== "");
  return custom?.length ? [custom] : commands.map((command) => [command]);
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
    return success ? versionLine(new TextDecoder().decode(stdout).split("\n")) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** nvcc tells its name and a copyright first. */
function versionLine(lines: readonly string[]): string {
  return lines.find((line) => line.includes("release ")) ?? lines[0]!;
}
