/**
 * Counts the instructions of a few operations, so that a slow-down shows without a stopwatch.
 *
 * `counts.ts` prints how they differ from `counts.json`, `counts.ts --write` stores them. They hold for one compiler and
 * one instruction set, on one thread. Callgrind counts each function by itself: 3.19 forgets options of several.
 */
import { type Compiler, findCompiler } from "../../ffi/compiler.ts";
import { findLibrary } from "../../ffi/library.ts";
import { openBackend } from "../../ffi/open.ts";
import { buildDriver } from "./build_driver.ts";
import type { CountedNames } from "./cases_counted.ts";
import { recordInChild } from "./record_in_child.ts";
import { runDriver } from "./run_driver.ts";

const STORED = new URL("counts.json", import.meta.url);
/** The widest instruction set that valgrind knows. */
const ISA = "avx2";
/** The part by which a count may rise. */
const MAX_RISE = 0.03;

/** Counts, and what they were made with. */
export interface Counts {
  /** First line of the compiler's `--version`. */
  readonly compiler: string;
  /** Instruction set of the library. */
  readonly isa: string;
  /** Instructions by name of the case. */
  readonly instructions: Readonly<Record<string, number>>;
}

/** The counts of `counts.json`. */
export async function storedCounts(): Promise<Counts> {
  return JSON.parse(await Deno.readTextFile(STORED));
}

/** Why nothing can be counted here, or `null`. */
export async function whyNotCounted(): Promise<string | null> {
  const { available } = (await openBackend({ backend: "cpu" })).info();
  if (!available.includes(ISA)) return `this machine or build lacks ${ISA}`;
  try {
    const { success } = await new Deno.Command("valgrind", { args: ["--version"] }).output();
    return success ? null : "valgrind does not answer";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "valgrind is not there";
    throw error;
  }
}

/** Why counts of `compiler` cannot be compared with the stored ones, or `null`. */
export function whyNotCompared(stored: Counts, compiler: Compiler): string | null {
  const [before, now] = [majorVersion(stored.compiler), majorVersion(compiler.version)];
  return before === now ? null : `the counts are stored for ${before} and this is ${now}`;
}

/** Name and major version of a compiler: `g++ (Debian 12.2.0-14) 12.2.0` is `gcc 12`, whatever its command. */
export function majorVersion(version: string): string {
  const isClang = /clang/i.test(version);
  const number = version.replace(/\(.*?\)/g, "").match(/(\d+)\.\d+/)?.[1] ?? version;
  return `${isClang ? "clang" : "gcc"} ${number}`;
}

/** Counts the instructions of all counted cases. */
export async function countInstructions(
  folder: string,
  compiler: Compiler,
): Promise<Record<string, number>> {
  const { path } = await findLibrary();
  const driver = await buildDriver(folder, compiler, path);
  await recordInChild(folder, "counted");
  const names: CountedNames = JSON.parse(await Deno.readTextFile(`${folder}/counted.json`));
  const counts: Record<string, number> = {};
  for (const [counted, cases] of Object.entries(names)) {
    const file = `${folder}/${counted}.cases`;
    Object.assign(counts, await countFunction(folder, driver, file, counted, cases));
  }
  return counts;
}

/** What is wrong: counts that rose by more than {@link MAX_RISE}, and names that are not in both. */
export function comparison(stored: Counts, instructions: Counts["instructions"]): string[] {
  const names = new Set([...Object.keys(stored.instructions), ...Object.keys(instructions)]);
  return [...names].flatMap((name) => {
    const [before, now] = [stored.instructions[name], instructions[name]];
    if (before === undefined || now === undefined) return [`${name}: is not in both`];
    return now > before * (1 + MAX_RISE) ? [changeOf(name, before, now)] : [];
  });
}

/** A line that says how a count has changed. */
export function changeOf(name: string, before: number, now: number): string {
  const percent = 100 * (now / before - 1);
  return `${name}: ${before} -> ${now} instructions, ${percent > 0 ? "+" : ""}${
    percent.toFixed(2)
  } %`;
}

async function totalOf(dump: string): Promise<number> {
  const total = (await Deno.readTextFile(dump)).match(/^summary: (\d+)$/m)?.[1];
  if (!total || total === "0") throw new Error(`Cannot read a count: ${dump} holds none`);
  return Number(total);
}

/** Runs the cases of `file` under callgrind and gives the instructions of each of `names`, by name. */
async function countFunction(
  folder: string,
  driver: string,
  file: string,
  counted: string,
  names: readonly string[],
): Promise<Record<string, number>> {
  const output = `${folder}/${counted}.callgrind`;
  const options = [`--toggle-collect=${counted}`, `--dump-after=${counted}`];
  const under = ["valgrind", "--tool=callgrind", `--callgrind-out-file=${output}`, ...options];
  const { success, report } = await runDriver(driver, file, ISA, { threads: 1, callers: 0, under });
  if (!success) throw new Error(`Cannot count instructions as the driver failed:\n${report}`);
  const counts: Record<string, number> = {};
  for (const [i, name] of names.entries()) counts[name] = await totalOf(`${output}.${i + 1}`);
  return counts;
}

async function main(args: readonly string[]): Promise<number> {
  const reason = await whyNotCounted();
  if (reason) throw new Error(`Cannot count instructions as ${reason}`);
  const folder = await Deno.makeTempDir({ prefix: "longlens-counts-" });
  try {
    const compiler = await findCompiler();
    const instructions = await countInstructions(folder, compiler);
    if (!args.includes("--write")) return report(await storedCounts(), compiler, instructions);
    const counts: Counts = { compiler: compiler.version, isa: ISA, instructions };
    await Deno.writeTextFile(STORED, `${JSON.stringify(counts, null, 2)}\n`);
    return 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function report(stored: Counts, compiler: Compiler, instructions: Counts["instructions"]): number {
  const reason = whyNotCompared(stored, compiler);
  if (reason) console.log(`The changes say little, as ${reason}`);
  for (const [name, now] of Object.entries(instructions)) {
    console.log(changeOf(name, stored.instructions[name] ?? NaN, now));
  }
  return !reason && comparison(stored, instructions).length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
