/** The ceilings of a run: how fast this machine reads and multiplies at most, and which of them limits a kernel. */
import type { CeilingsLibrary } from "./ceilings_library.ts";

/** How fast a working set is read. */
export interface ReadCeiling {
  /** Bytes that are read again and again, by all threads together. */
  readonly bytes: number;
  /** Threads. */
  readonly threads: number;
  /** GB/s (10^9 bytes a second). */
  readonly gbps: number;
}

/** How fast an instruction set multiplies and adds. */
export interface PeakCeiling {
  /** Its name: `portable`, `avx2`, `avx512` (f32) or `amx` (bf16). */
  readonly unit: string;
  /** Threads. */
  readonly threads: number;
  /** GFLOP/s. */
  readonly gflops: number;
}

/** What the loops measure: reading and multiplying. */
export interface MachineCeilings {
  /** By working set and threads. */
  readonly read: readonly ReadCeiling[];
  /** By instruction set and threads. */
  readonly peaks: readonly PeakCeiling[];
}

/** The ceilings of a run. */
export interface Ceilings extends MachineCeilings {
  /** Milliseconds of a call of the library that computes nearly nothing on all threads; null where not measured. */
  readonly emptyCallMs: number | null;
}

/** What limits a kernel, and what it would take then. */
export interface Limit {
  /** Name of the ceiling. */
  readonly name: string;
  /** Its value. */
  readonly rate: number;
  /** Unit of the value. */
  readonly unit: "GFLOP/s" | "GB/s";
  /** Milliseconds of the kernel at the ceiling. */
  readonly ms: number;
}

/** Element type of a unit's products. */
export type Multiplied = "bf16" | "f32";

/** What a kernel does at least. */
export interface Work {
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes that must be read and written once. */
  readonly trafficBytes: number;
  /** Bytes among which repetitions read: what a cache would have to hold. */
  readonly workingSetBytes: number;
  /** Element type of its products where the processor multiplies it: the kernels for vectors of f32 know no other. */
  readonly multiplies: Multiplied;
}

/** Options of {@link measureCeilings}. */
export interface CeilingOptions {
  /** Threads of the kernels. */
  readonly threads: number;
  /** Working sets in bytes. */
  readonly workingSets: readonly number[];
  /**
   * Seconds of each measurement.
   * @default 0.15
   */
  readonly seconds?: number;
  /** Called before each measurement with the share that is done. */
  readonly onProgress?: (share: number, what: string) => void;
  /** Stops between two measurements. */
  readonly signal?: AbortSignal | undefined;
}

const KIB = 1024;
/** Working sets of a usual run: 64 KB to 2 GB. */
export const WORKING_SETS: readonly number[] = Array.from(
  { length: 16 },
  (_, i) => 64 * KIB * 2 ** i,
);

/** Measures all ceilings, with one thread and with all. */
export async function measureCeilings(
  library: CeilingsLibrary,
  options: CeilingOptions,
): Promise<MachineCeilings> {
  const { threads, workingSets, seconds = 0.15, onProgress = () => {}, signal } = options;
  const counts = [...new Set([1, threads])];
  const units = library.units();
  const total = counts.length * (workingSets.length + units.length);
  const [read, peaks]: [ReadCeiling[], PeakCeiling[]] = [[], []];
  const next = (what: string) => {
    signal?.throwIfAborted();
    onProgress((read.length + peaks.length) / total, what);
  };
  next("making random data");
  const memory = await library.memory(Math.max(...workingSets), threads);
  try {
    for (const threads of counts) {
      for (const unit of units) {
        next(`peak of ${unit}`);
        const { rate } = await library.peak(unit, threads, seconds);
        peaks.push({ unit, threads, gflops: rate / 1e9 });
      }
      for (const bytes of workingSets) {
        next(`reading ${sizeText(bytes)}`);
        const { rate } = await memory.read(bytes, threads, seconds);
        read.push({ bytes, threads, gbps: rate / 1e9 });
      }
    }
  } finally {
    memory.free();
  }
  return { read, peaks };
}

/**
 * What limits a kernel on `threads` of instruction set `isa`: multiplying, or reading its working set, whichever takes
 * longer. That is the roofline at its operations for each byte.
 */
export function limitOf(
  ceilings: MachineCeilings,
  work: Work,
  isa: string,
  threads: number,
): Limit {
  const peak = peakOf(ceilings, isa, work.multiplies, threads);
  const read = readOf(ceilings, work.workingSetBytes, threads);
  const computing = work.flops / peak.gflops / 1e6;
  const reading = work.trafficBytes / read.gbps / 1e6;
  if (computing >= reading) {
    return {
      name: `${peak.unit} ${elementOf(peak)} peak`,
      rate: peak.gflops,
      unit: "GFLOP/s",
      ms: computing,
    };
  }
  return { name: `read of ${sizeText(read.bytes)}`, rate: read.gbps, unit: "GB/s", ms: reading };
}

/**
 * The peak that bounds kernels of `isa`: of the products of bf16 where it has such and the kernel asks for them, else
 * of its vectors of f32.
 *
 * @throws {RangeError} when it was not measured
 */
export function peakOf(
  { peaks }: MachineCeilings,
  isa: string,
  multiplies: Multiplied,
  threads: number,
): PeakCeiling {
  const own = peaks.filter((peak) => peak.threads === threads);
  const exact = own.find(({ unit }) => unit === isa);
  if (exact && (multiplies === "bf16" || elementOf(exact) === "f32")) return exact;
  // The widest vectors that the name of the unit begins with; those for tiles of bf16 go with the widest there are.
  const vectors = isa.startsWith("amx") ? "avx512" : isa;
  const found = own.findLast((peak) => elementOf(peak) === "f32" && vectors.startsWith(peak.unit));
  if (found) return found;
  throw new RangeError(
    `Cannot name a ceiling as the peak of ${isa} on ${threads} threads was not measured: there are ` +
      own.map(({ unit }) => unit).join(", "),
  );
}

/**
 * How fast a working set of `bytes` is read: between the measured sizes around it, by the logarithms of sizes and
 * rates, and beyond the smallest and the largest as these.
 *
 * @throws {RangeError} when none was measured
 */
export function readOf({ read }: MachineCeilings, bytes: number, threads: number): ReadCeiling {
  const own = read.filter((one) => one.threads === threads).sort((a, b) => a.bytes - b.bytes);
  const below = own.findLast((one) => one.bytes <= bytes) ?? own[0];
  const above = own.find((one) => one.bytes >= bytes) ?? own.at(-1);
  if (!below || !above) {
    throw new RangeError(
      `Cannot name a ceiling as reading was not measured with ${threads} threads`,
    );
  }
  if (below === above) return below;
  const share = Math.log(bytes / below.bytes) / Math.log(above.bytes / below.bytes);
  return { bytes, threads, gbps: below.gbps * (above.gbps / below.gbps) ** share };
}

/**
 * The ceilings with the reading of `bytes` measured again, now: memory that others share is not as fast at all times. The
 * faster measurement counts.
 */
export async function readAgain(
  library: Pick<CeilingsLibrary, "memory">,
  ceilings: MachineCeilings,
  { bytes, threads, seconds }: { bytes: number; threads: number; seconds: number },
): Promise<MachineCeilings> {
  const memory = await library.memory(bytes, threads);
  try {
    const { rate } = await memory.read(bytes, threads, seconds);
    const gbps = Math.max(rate / 1e9, readOf(ceilings, bytes, threads).gbps);
    const others = ceilings.read.filter((one) => one.bytes !== bytes || one.threads !== threads);
    return { ...ceilings, read: [...others, { bytes, threads, gbps }] };
  } finally {
    memory.free();
  }
}

/** Element type that an instruction set multiplies at its peak. */
export function elementOf({ unit }: PeakCeiling): Multiplied {
  return unit === "amx" || unit.endsWith("bf16") ? "bf16" : "f32";
}

/** Bytes as `64 KB`, `2 GB`; a power of 1024. */
export function sizeText(bytes: number): string {
  const power = Math.min(3, Math.max(1, Math.floor(Math.log(bytes) / Math.log(KIB))));
  const value = bytes / KIB ** power;
  const shown = value >= 10 ? Math.round(value) : Number(value.toPrecision(2));
  return `${shown} ${["KB", "MB", "GB"][power - 1]}`;
}
