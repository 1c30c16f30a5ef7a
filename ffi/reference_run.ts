/** Runs operations of the reference backend in small steps, so that they can be stopped and block nothing. */
import type { Steps } from "../kernels/reference/steps.ts";
import type { RunControl } from "./backend.ts";
import { CancelledError } from "./errors.ts";

const PAUSE_AFTER_MS = 20;

/** Stops an operation, and counts its steps. */
export class ReferenceControl implements RunControl {
  cancelled = false;
  progress = 0;

  cancel(): void {
    this.cancelled = true;
  }
}

/** Takes all steps, with a pause from time to time. */
export async function run(steps: Steps, control: RunControl | undefined): Promise<void> {
  const record = control as ReferenceControl | undefined;
  let resumed = performance.now();
  do {
    if (record?.cancelled) throw new CancelledError("Cannot finish the call as it was cancelled");
    if (steps.next().done) return;
    if (record) record.progress++;
    if (performance.now() - resumed < PAUSE_AFTER_MS) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    resumed = performance.now();
  } while (true);
}
