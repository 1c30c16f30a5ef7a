import { assertLess, assertRejects } from "@std/assert";
import process from "node:process";
import type { Backend, RunControl } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";

/** Five times the work that may lie between two looks at `cancel`, of which time for starting and ending is a part. */
const MOST_MS = 100;

/**
 * Cancels a long call once some of it is done; fails where it goes on. What counts is the time it takes of the processors,
 * of each thread: the clock also counts what a machine does beside it.
 */
export async function assertEndsSoon(
  backend: Backend,
  control: RunControl,
  call: Promise<unknown>,
): Promise<void> {
  let cancelled = process.cpuUsage();
  const cancel = () => {
    if (control.progress === 0) return;
    clearInterval(timer);
    cancelled = process.cpuUsage();
    control.cancel();
  };
  const timer = setInterval(cancel, 1);
  try {
    await assertRejects(() => call, CancelledError);
  } finally {
    clearInterval(timer);
  }
  const { user, system } = process.cpuUsage(cancelled);
  assertLess((user + system) / 1000, MOST_MS * backend.info().threads);
}
