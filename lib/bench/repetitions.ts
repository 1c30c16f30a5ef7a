/** Timed repetitions, taken in turn where several calls are compared. */
import type { RunControl } from "../../ffi/backend.ts";
import { breathe } from "../engine/breathe.ts";
import type { Repetition } from "./bench_case.ts";

/** How long calls are repeated. */
export interface RepeatOptions {
  /** Time for all repetitions of all calls. */
  readonly ms: number;
  /** Repetitions there must be of each call, whatever they take. */
  readonly least: number;
  /** Cancels them. */
  readonly control: RunControl;
}

/** More repetitions say nothing new. */
const MOST = 1000;

/**
 * Milliseconds of the repetitions of each call, `[calls][repetitions]`: one of each, then the next of each, so that what
 * disturbs the machine disturbs all alike.
 *
 * @throws {CancelledError} once the control is cancelled
 */
export async function inTurn(
  calls: readonly Repetition[],
  { ms, least, control }: RepeatOptions,
): Promise<number[][]> {
  const times = calls.map((): number[] => []);
  const start = performance.now();
  const isEnough = (count: number) =>
    count >= MOST || (count >= least && performance.now() - start >= ms);
  for (let count = 0; !isEnough(count); count++) {
    for (const [i, call] of calls.entries()) {
      await breathe(control);
      times[i]!.push(await timed(call, control));
    }
  }
  return times;
}

/** Milliseconds of one call. */
async function timed(call: Repetition, control: RunControl): Promise<number> {
  const start = performance.now();
  await call(control);
  return performance.now() - start;
}
