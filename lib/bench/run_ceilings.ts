/** The ceilings of a run, within its part of the time. */
import type { Backend } from "../../ffi/backend.ts";
import { freeMemoryBytes } from "../engine/free_memory.ts";
import { type Ceilings, measureCeilings, WORKING_SETS } from "./ceilings.ts";
import type { CeilingsLibrary } from "./ceilings_library.ts";
import { measureEmptyCall } from "./empty_call.ts";

/** Options of {@link runCeilings}. */
export interface RunCeilingsOptions {
  /** The backend that is measured. */
  readonly backend: Backend;
  /** Seconds of the run. */
  readonly seconds: number;
  /**
   * Working sets whose reading is measured, in bytes.
   * @default 64 KB to 2 GB
   */
  readonly workingSets?: readonly number[];
  /** Called when something begins, with the share of the run that is done. */
  readonly onProgress?: (share: number, what: string) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** Part of a run that the ceilings have. */
export const CEILINGS_SHARE = 0.05;
/** Part of the free memory that they may take. */
const MEMORY_SHARE = 0.5;
/** Bytes that are surely filled in a second: a short run does without the largest working sets. */
const FILLED_PER_SECOND = 2 ** 28;
/** Seconds that a ceiling is measured. */
const CEILING_SECONDS = { least: 0.02, most: 0.15 };

/** Measures them. */
export async function runCeilings(
  library: CeilingsLibrary,
  { backend, seconds, workingSets = WORKING_SETS, onProgress, signal }: RunCeilingsOptions,
): Promise<Ceilings> {
  const time = CEILINGS_SHARE * seconds;
  const room = Math.min(MEMORY_SHARE * freeMemoryBytes(), time * FILLED_PER_SECOND);
  const sizes = workingSets.filter((bytes) => bytes <= room);
  const { least, most } = CEILING_SECONDS;
  const each = time / (2 * sizes.length); // with one thread and with all
  const eachSeconds = Math.min(most, Math.max(least, each));
  const emptyCallMs = await measureEmptyCall(backend, eachSeconds);
  const measured = await measureCeilings(library, {
    threads: backend.info().threads,
    workingSets: sizes,
    seconds: eachSeconds,
    onProgress: (share, what) => onProgress?.(share * CEILINGS_SHARE, what),
    signal,
  });
  return { ...measured, emptyCallMs };
}
