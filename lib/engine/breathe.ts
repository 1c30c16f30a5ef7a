/** Lets timers, signals and messages through while native calls are too short to leave the event loop. */
import { setImmediate } from "node:timers";
import type { RunControl } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";

const PAUSE_AFTER_MS = 15;
let last = 0;

/** Goes through the event loop once every 15 ms, and throws `CancelledError` once `control` is cancelled. */
export async function breathe(control: RunControl): Promise<void> {
  if (performance.now() - last > PAUSE_AFTER_MS) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    last = performance.now();
  }
  if (control.cancelled) throw new CancelledError("The run was cancelled");
}
