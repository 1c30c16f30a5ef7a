/**
 * `deno task sanitize`: builds library and driver under each sanitizer that the compiler has, and replays all cases
 * with each instruction set of this machine; then the same with emulated units (`emulated/emulated_bf16.h`). The exit
 * status is 0 only if nothing was reported.
 */
import { type Compiler, findCompiler } from "../../ffi/compiler.ts";
import type { CompileUnit } from "../../ffi/sources.ts";
import { buildWhole, libraryUnits } from "./build_driver.ts";
import { emulatedUnits } from "./build_emulated.ts";
import { recordInChild } from "./record_in_child.ts";
import { instructionSets, run, runDriver } from "./run_driver.ts";

interface Sanitizer {
  readonly name: string;
  readonly flags: readonly string[];
}

/** The library's units, and the instruction sets of them to replay with. */
interface Build {
  readonly units: readonly CompileUnit[];
  readonly isIncluded: (isa: string) => boolean;
}

const COMMON = ["-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
const SANITIZERS: readonly Sanitizer[] = [
  { name: "address, undefined", flags: ["-fsanitize=address,undefined", ...COMMON] },
  { name: "thread", flags: ["-fsanitize=thread", ...COMMON] },
];
/** A report ends the program with an exit status that says so. */
const ENV = {
  ASAN_OPTIONS: "halt_on_error=1:detect_leaks=1",
  UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  TSAN_OPTIONS: "halt_on_error=1:second_deadlock_stack=1",
};

const EMPTY_PROGRAM = "int main() { return 0; }\n";

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-sanitize-" });
  try {
    const compiler = await findCompiler();
    const usable: Sanitizer[] = [];
    for (const one of SANITIZERS) if (await works(folder, compiler, one)) usable.push(one);
    if (usable.length === 0) return 0;
    await recordInChild(folder, "all");
    const builds = await buildsOf(folder, compiler);
    let wrong = 0;
    for (const one of usable) {
      for (const build of builds) wrong += await sanitize(folder, compiler, one, build);
    }
    console.log(`sanitize: ${usable.length} of ${SANITIZERS.length} run, ${wrong} wrong`);
    return wrong === 0 ? 0 : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether an empty program builds and runs under it. */
async function works(folder: string, compiler: Compiler, one: Sanitizer): Promise<boolean> {
  const source = `${folder}/empty.cpp`;
  await Deno.writeTextFile(source, EMPTY_PROGRAM);
  const { command, args, version } = compiler;
  const build = [command, ...args, ...one.flags, source, "-o", `${folder}/empty`];
  const built = await run(build, {});
  const { success, report } = built.success ? await run([`${folder}/empty`], ENV) : built;
  if (!success) {
    console.log(`${one.name}: skipped, as ${version} cannot run an empty program so:\n${report}`);
  }
  return success;
}

async function buildsOf(folder: string, compiler: Compiler): Promise<Build[]> {
  const isEmulated = (isa: string) => isa.endsWith("-emulated");
  const emulated = { units: emulatedUnits(), isIncluded: isEmulated };
  return [
    { units: await libraryUnits(folder, compiler), isIncluded: () => true },
    ...(Deno.build.arch === "x86_64" ? [emulated] : []),
  ];
}

/** How many instruction sets were wrong. */
async function sanitize(
  root: string,
  compiler: Compiler,
  { name, flags }: Sanitizer,
  { units, isIncluded }: Build,
): Promise<number> {
  const folder = await Deno.makeTempDir({ dir: root });
  const driver = await buildWhole(folder, compiler, { units, flags });
  let wrong = 0;
  for (const isa of (await instructionSets(driver)).filter(isIncluded)) {
    const start = performance.now();
    const { success, report } = await runDriver(driver, `${root}/all.cases`, isa, { env: ENV });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${name}, ${isa}: ${success ? "right" : "WRONG"} (${seconds} s)\n${report.trim()}`);
    if (!success) wrong++;
  }
  return wrong;
}

if (import.meta.main) Deno.exit(await main());
