/** Commands that Ctrl-C ends in order. */
import { CancelledError } from "../../ffi/errors.ts";

/** Runs `work` with a signal that SIGINT aborts; whether it came to its end. The exit status of one that did not is 130. */
export async function interruptible(
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    await work(stop.signal);
    return true;
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    Deno.exitCode = 130;
    return false;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}
