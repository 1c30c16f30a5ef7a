/** How a run of the benchmark goes: the library that measures ceilings is open while it lasts, and what came is its result. */
import { CancelledError } from "../../ffi/errors.ts";
import { CeilingsLibrary } from "./ceilings_library.ts";

/** A run. */
export interface BenchRun<Result> {
  /** Measures everything. */
  all(library: CeilingsLibrary): Promise<void>;
  /** Frees what it opened. */
  close(): Promise<void>;
  /** What was measured so far. */
  result(): Promise<Result>;
}

/** The result of a run that `begin` makes: all of it, or what there was when `signal` stopped it. */
export async function runToEnd<Result>(
  begin: () => BenchRun<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const library = await CeilingsLibrary.open(); // building it is not counted
  const run = begin();
  try {
    await run.all(library);
  } catch (error) {
    if (!(error instanceof CancelledError) && !signal?.aborted) throw error;
  } finally {
    library.close();
    await run.close();
  }
  return await run.result();
}
