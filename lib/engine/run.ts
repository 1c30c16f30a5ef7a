import type { RunControl } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";

/** How the work of a run is followed and stopped. */
export interface RunScope<Event> {
  /** Tells whoever iterates the run. */
  readonly emit: (event: Event) => void;
  /** Stops the work between its parts. */
  readonly signal: AbortSignal;
  /** Stops native calls. */
  readonly control: RunControl;
}

/** Events kept for the first who iterates. */
const BACKLOG = 256;

/**
 * Work that has started: await it for its result, or iterate it for its events as they come. Leaving a
 * `for await` loop early stops the work; so do `cancel()`, the caller's signal and SIGINT (Jupyter's stop button).
 * A stopped run rejects with {@link CancelledError}. A run that is neither awaited nor iterated fails silently.
 */
export class Run<Event, Result> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #abort = new AbortController();
  readonly #backlog: Event[] = [];
  readonly #queues = new Set<Event[]>();
  readonly #result: Promise<Result>;
  #settled = false;
  readonly #waiting: (() => void)[] = [];

  /** Starts `work`, which emits events and stops with its signal; `onSettled` is called in the end, whatever came. */
  constructor(
    work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<Result>,
    options: { signal?: AbortSignal | undefined; onSettled?: () => void } = {},
  ) {
    const { signal, onSettled = () => {} } = options;
    const release = listenForStop(signal, (reason) => this.#abort.abort(reason));
    const emit = (event: Event) => {
      if (this.#queues.size === 0) this.#keep(event);
      for (const queue of this.#queues) queue.push(event);
      this.#wake();
    };
    this.#result = this.#work(work, emit).finally(() => {
      release();
      onSettled();
      this.#settled = true;
      this.#wake();
    });
    // Who only iterates still gets the error, from the iterator.
    this.#result.catch(() => {});
  }

  /** Stops the work; what it completed stays. */
  cancel(reason?: unknown): void {
    this.#abort.abort(reason);
  }

  /** The result, as with any promise. */
  then<A = Result, B = never>(
    fulfilled?: ((value: Result) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(fulfilled, rejected);
  }

  /** The error, as with any promise. */
  catch<B>(rejected: (reason: unknown) => B | PromiseLike<B>): Promise<Result | B> {
    return this.#result.catch(rejected);
  }

  /** Calls back in the end, as with any promise. */
  finally(callback: () => void): Promise<Result> {
    return this.#result.finally(callback);
  }

  /**
   * Events, then the end or the error of the run. Who is first gets the last 256 events from before: a run that nobody
   * iterates does not keep more. Who comes later gets those from then on: events can be large, and are not kept twice.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    const queue = this.#backlog.splice(0);
    this.#queues.add(queue);
    try {
      while (true) {
        while (queue.length > 0) yield queue.shift()!;
        if (this.#settled) break;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      await this.#result;
    } finally {
      this.#queues.delete(queue);
      if (!this.#settled) await this.#stop();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #keep(event: Event): void {
    this.#backlog.push(event);
    if (this.#backlog.length > BACKLOG) this.#backlog.shift();
  }

  async #stop(): Promise<void> {
    this.cancel();
    await this.#result.catch(() => {});
  }

  async #work(
    work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<Result>,
    emit: (event: Event) => void,
  ): Promise<Result> {
    const { signal } = this.#abort;
    try {
      // The caller gets the run before its work begins.
      await Promise.resolve();
      throwIfAborted(signal);
      return await work(emit, signal);
    } catch (error) {
      throw signal.aborted && !(error instanceof CancelledError)
        ? new CancelledError("The run was cancelled", { cause: error })
        : error;
    }
  }
}

/** Calls `stop` when the signal is aborted or SIGINT comes; the returned function ends that. */
export function listenForStop(
  signal: AbortSignal | undefined,
  stop: (reason: unknown) => void,
): () => void {
  const aborted = () => stop(signal?.reason);
  const interrupted = () => stop(new CancelledError("The run was interrupted"));
  if (signal?.aborted) aborted();
  signal?.addEventListener("abort", aborted, { once: true });
  Deno.addSignalListener("SIGINT", interrupted);
  return () => {
    signal?.removeEventListener("abort", aborted);
    Deno.removeSignalListener("SIGINT", interrupted);
  };
}

/** Throws `CancelledError` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError("The run was cancelled", { cause: signal.reason });
}
