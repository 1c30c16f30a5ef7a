import { CancelledError } from "../../ffi/errors.ts";

/**
 * Work that has started: await it for its result, or iterate it for its events as they come. Leaving a
 * `for await` loop early stops the work; so do `cancel()`, the caller's signal and SIGINT (Jupyter's stop button).
 * A stopped run rejects with {@link CancelledError}.
 */
export class Run<Event, Result> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #abort = new AbortController();
  readonly #events: Event[] = [];
  readonly #result: Promise<Result>;
  #settled = false;
  #wake: () => void = () => {};

  /** Starts `work`, which emits events and stops with its signal; `onSettled` is called in the end, whatever came. */
  constructor(
    work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<Result>,
    options: { signal?: AbortSignal | undefined; onSettled?: () => void } = {},
  ) {
    const { signal, onSettled = () => {} } = options;
    const release = this.#listen(signal);
    const emit = (event: Event) => {
      this.#events.push(event);
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

  /** Events from the start, then the end or the error of the run. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    let next = 0;
    try {
      while (true) {
        while (next < this.#events.length) yield this.#events[next++]!;
        if (this.#settled) break;
        await new Promise<void>((resolve) => {
          const others = this.#wake;
          this.#wake = () => {
            others();
            resolve();
          };
        });
        this.#wake = () => {};
      }
      await this.#result;
    } finally {
      if (!this.#settled) await this.#stop();
    }
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

  #listen(signal: AbortSignal | undefined): () => void {
    const stop = () => this.#abort.abort(signal?.reason);
    const interrupt = () => this.#abort.abort(new CancelledError("The run was interrupted"));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    Deno.addSignalListener("SIGINT", interrupt);
    return () => {
      signal?.removeEventListener("abort", stop);
      Deno.removeSignalListener("SIGINT", interrupt);
    };
  }
}

/** Throws `CancelledError` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError("The run was cancelled", { cause: signal.reason });
}
