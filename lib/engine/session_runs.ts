import type { RunControl } from "../../ffi/backend.ts";
import { BackendError, SessionBusyError } from "../../ffi/errors.ts";
import type { Generation } from "./generate.ts";
import { type CaptureWish, GenerationRun, type GenerationRunOptions } from "./generation_run.ts";
import { listenForStop, Run, type RunScope } from "./run.ts";
import type { Tracing } from "./tracing.ts";

/** What the runs of a session need of it. */
export interface RunParts {
  /** Makes what cancels native calls. */
  readonly control: () => RunControl;
  /** Told of every run. */
  readonly tracing: Tracing;
  /** Frees the session: called once, when it is closed and no run is active. */
  readonly free: () => void;
}

/** A run that its caller's loop drives. */
export interface LoopOptions {
  /** Its name. */
  readonly name: string;
  /** What cannot be done where it is refused. */
  readonly action: string;
  /** Stops it. */
  readonly signal: AbortSignal | undefined;
}

/** The runs of a session, one at a time. */
export class SessionRuns {
  readonly #parts: RunParts;
  #busy: { name: string; stop: () => void } | null = null;
  #closed = false;

  /** No run is active. */
  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** Throws where the session is closed or busy, so that `action` cannot be done. */
  check(action: string): void {
    if (this.#closed) {
      throw new BackendError(`Cannot ${action} as the session is closed`);
    }
    if (this.#busy) {
      throw new SessionBusyError(
        `Cannot ${action} as the session is busy: current run is ${this.#busy.name}`,
      );
    }
  }

  /** Starts a run. */
  run<Event, Result>(
    name: string,
    signal: AbortSignal | undefined,
    work: (scope: RunScope<Event>) => Promise<Result>,
  ): Run<Event, Result> {
    return this.#start(name, (scopeOf, onSettled) => {
      const traced = (emit: (event: Event) => void, inner: AbortSignal) =>
        this.#parts.tracing.run(name, inner, () => work(scopeOf(emit, inner)));
      return new Run(traced, { signal, onSettled });
    });
  }

  /** Starts a run that generates. */
  generation<Event>(
    name: string,
    options: Omit<GenerationRunOptions, "onSettled">,
    work: (scope: RunScope<Event>, wish: CaptureWish) => Promise<Generation>,
  ): GenerationRun<Event> {
    return this.#start(name, (scopeOf, onSettled) => {
      const traced = (emit: (event: Event) => void, inner: AbortSignal, wish: CaptureWish) =>
        this.#parts.tracing.run(name, inner, () => work(scopeOf(emit, inner), wish));
      return new GenerationRun(traced, { ...options, onSettled });
    });
  }

  /** A run that begins and goes on as its caller's loop does. */
  loop<State>(
    how: LoopOptions,
    work: (control: RunControl) => AsyncGenerator<State, void>,
  ): AsyncGenerator<State, void> {
    const states = this.#loop(how, work, () => void states.return());
    return states;
  }

  /** Stops a running run, then frees the session. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy) this.#busy.stop();
    else this.#parts.free();
  }

  async *#loop<State>(
    { name, action, signal }: LoopOptions,
    work: (control: RunControl) => AsyncGenerator<State, void>,
    leave: () => void,
  ): AsyncGenerator<State, void> {
    this.check(action);
    const { tracing } = this.#parts;
    const control = this.#parts.control();
    const release = listenForStop(signal, () => control.cancel());
    const stop = () => {
      control.cancel();
      leave();
    };
    this.#busy = { name, stop };
    try {
      tracing.start(name);
      yield* work(control);
      await tracing.finish();
    } catch (error) {
      await tracing.stop(error, signal);
      throw error;
    } finally {
      await tracing.leave();
      release();
      this.#release();
    }
  }

  #start<Started extends { cancel(): void }>(
    name: string,
    start: (
      scopeOf: <Event>(emit: (event: Event) => void, signal: AbortSignal) => RunScope<Event>,
      onSettled: () => void,
    ) => Started,
  ): Started {
    this.check(name);
    const control = this.#parts.control();
    const run = start((emit, signal) => {
      signal.addEventListener("abort", () => control.cancel(), { once: true });
      return { emit, signal, control };
    }, () => this.#release());
    this.#busy = { name, stop: () => run.cancel() };
    return run;
  }

  #release(): void {
    this.#busy = null;
    if (this.#closed) this.#parts.free();
  }
}
