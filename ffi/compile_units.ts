/** Compiles units side by side, and finds those that a compiler does not know. */
import { eachAtOnce } from "./build_folder.ts";
import { compile, type Compiler, runCompiler } from "./compiler.ts";
import { COMMON_FLAGS, type CompileUnit, type IsaUnit, isaUnits } from "./sources.ts";

const PROBE = "probe.cpp";

/** Units to compile. */
export interface CompileJob {
  /** The compiler. */
  readonly compiler: Compiler;
  /** The units. */
  readonly units: readonly CompileUnit[];
  /** Folder that their paths begin at and that their objects are written into. */
  readonly cwd: string;
  /** Flags of all of them beside `COMMON_FLAGS`. */
  readonly flags?: readonly string[];
  /** Called with the path of each unit when it is compiled. */
  readonly onStep?: (path: string) => void;
}

/** Compiles units, as many at once as there are cores, and returns the names of their objects. */
export async function compileObjects(
  { compiler, units, cwd, flags = [], onStep }: CompileJob,
): Promise<string[]> {
  await eachAtOnce(units, navigator.hardwareConcurrency, async (unit, signal) => {
    const own = [...unit.flags, "-c", unit.path, "-o", objectOf(unit)];
    await compile(compiler, { args: [...COMMON_FLAGS, ...flags, ...own], cwd, signal });
    onStep?.(unit.path);
  });
  return units.map(objectOf);
}

/** An instruction set that a compiler does not know. */
export interface UnknownIsa {
  /** Its name. */
  readonly isa: string;
  /** What the compiler said. */
  readonly reason: string;
}

/**
 * The instruction sets of this architecture that `compiler` does not know, from the oldest to the latest; one that it does
 * not know is in the flags of all later ones. `cwd` is a folder to try them in.
 */
export async function unknownIsas(compiler: Compiler, cwd: string): Promise<UnknownIsa[]> {
  const units = isaUnits(Deno.build.arch);
  for (const [i, unit] of units.entries()) {
    const reason = await probe(compiler, unit, cwd);
    if (reason !== null) return units.slice(i).map(({ isa }) => ({ isa, reason }));
  }
  return [];
}

/** Compiles one instruction of the unit: the first line of what the compiler says, or `null` where it knows it. */
async function probe(
  compiler: Compiler,
  { flags, instruction }: IsaUnit,
  cwd: string,
): Promise<string | null> {
  await Deno.writeTextFile(`${cwd}/${PROBE}`, `void Probe() { asm volatile("${instruction}"); }\n`);
  const args = [...flags, "-c", PROBE, "-o", "probe.o"];
  const { signal } = new AbortController();
  const { success, report } = await runCompiler(compiler, { args, cwd, signal });
  return success ? null : report.trim().split("\n")[0]!;
}

function objectOf({ path }: CompileUnit): string {
  return path.replaceAll("/", "_").replace(/\.cpp$/, ".o");
}
