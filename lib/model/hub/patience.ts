/** Waiting: for what may come late, between attempts, and not for ever. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Asked, cancelled, isPassing } from "./errors.ts";

/** How long to wait, and how often to try. */
export interface Patience {
  /** Attempts at what brings nothing. */
  readonly attempts: number;
  /** Pause after the first failed attempt; each further one doubles it. */
  readonly retryMs: number;
  /** Longest silence of a server. */
  readonly stallMs: number;
}

/** Options of {@link retrying}. */
export interface RetryOptions extends Patience {
  /** What is being tried. */
  readonly asked: Asked;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
  /** Called with why an attempt failed and when the next one begins. */
  readonly onNotice: (text: string) => void;
  /** A count that grows while attempts bring something: they are not counted then. */
  readonly progress?: () => number;
}

/** The result of `work`, tried again where the error is one that may pass. */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, retryMs, asked, signal, onNotice, progress = () => 0 } = options;
  for (let failures = 0, reached = progress();;) {
    try {
      return await work();
    } catch (error) {
      failures = progress() > reached ? 1 : failures + 1;
      reached = progress();
      if (!isPassing(error) || failures >= attempts) throw error;
      const ms = retryMs * 2 ** (failures - 1);
      onNotice(`Tries again in ${ms / 1000} s: ${error.message}`);
      await pause(ms, asked, signal);
    }
  }
}

/** Waits, unless stopped. */
export async function pause(
  ms: number,
  asked: Asked,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    throw signal?.aborted ? cancelled(asked, signal) : error;
  }
}
