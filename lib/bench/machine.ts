/** What a reader must know of the machine to make sense of its numbers. */
import type { BackendInfo } from "../../ffi/backend.ts";
import { sourceKey } from "../../ffi/build.ts";
import { findCompiler } from "../../ffi/compiler.ts";
import { LibraryError } from "../../ffi/errors.ts";

/** A machine and the programs on it. */
export interface Machine {
  /** Name of the processor. */
  readonly cpu: string;
  /** Logical cores. */
  readonly cores: number;
  /** Bytes of main memory. */
  readonly memoryBytes: number;
  /** Operating system and architecture. */
  readonly os: string;
  /** Instruction set in use. */
  readonly isa: string;
  /** Instruction sets of the library that run there. */
  readonly available: readonly string[];
  /** Threads of the library. */
  readonly threads: number;
  /** Version of Deno. */
  readonly deno: string;
  /** Version of Longlens. */
  readonly longlens: string;
  /** Hash of the native sources. */
  readonly sources: string;
  /** The C++ compiler; null where the library came without one. */
  readonly compiler: string | null;
}

/** Describes this machine. */
export async function describeMachine(
  { isa, available, threads }: BackendInfo,
): Promise<Machine> {
  return {
    cpu: await cpuName(),
    cores: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
    os: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    isa,
    available,
    threads,
    deno: Deno.version.deno,
    longlens: await ownVersion(),
    sources: await sourceKey(),
    compiler: await compilerVersion(),
  };
}

/** A machine in a line. */
export function machineText(machine: Machine): string {
  const { cpu, cores, memoryBytes, isa, threads, os, deno, longlens, compiler } = machine;
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GB`;
  const parts = [`${cpu}, ${cores} cores, ${memory}`, `${isa} on ${threads} threads`, os]
    .concat(`Longlens ${longlens}`, `Deno ${deno}`, compiler ?? []);
  return parts.join("; ");
}

async function cpuName(): Promise<string> {
  const text = await cpuText();
  const field = (name: string) => text.match(new RegExp(`^${name}\\s*:\\s*(.+)$`, "m"))?.[1];
  const name = field("model name");
  if (name === undefined) return Deno.build.arch;
  // A virtual machine may hide the model's name, but tells its numbers.
  const numbers = `family ${field("cpu family")}, model ${field("model")}`;
  return /\d/.test(name) ? name : `${name} (${numbers})`;
}

async function cpuText(): Promise<string> {
  try {
    if (Deno.build.os === "linux") return await Deno.readTextFile("/proc/cpuinfo");
    if (Deno.build.os !== "darwin") return "";
    const command = new Deno.Command("sysctl", { args: ["-n", "machdep.cpu.brand_string"] });
    return `model name: ${new TextDecoder().decode((await command.output()).stdout).trim()}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function ownVersion(): Promise<string> {
  const config = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  return JSON.parse(config).version;
}

async function compilerVersion(): Promise<string | null> {
  try {
    return (await findCompiler()).version;
  } catch (error) {
    if (error instanceof LibraryError) return null;
    throw error;
  }
}
