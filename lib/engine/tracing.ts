/** What a session runs, on its way to a trace. */
import type { Backend } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";
import type { Method } from "../attention/method.ts";
import { reasonOf } from "../../ffi/refusal.ts";
import type { ModelConfig } from "../model/types.ts";
import { type TraceOptions, TraceRecorder, type TraceRecording } from "../trace/recorder.ts";
import type { TraceRow } from "../trace/schema.ts";
import { TraceError } from "../trace/trace_error.ts";
import type { LayerState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Segment } from "./token_log.ts";
import { headRows, PlanChanges, retrievalRows, stepRow } from "./trace_rows.ts";

/** Writes down what a session runs. */
export interface SessionTrace {
  /**
   * From now on every run of the session, not of its forks, is appended while it goes on to tables in a directory: Arrow
   * IPC stream files that `readTrace`, pyarrow and others read at any time. `TRACE_TABLES` says what they hold. A
   * directory with a trace is continued: the next run gets the next number. When a run has settled, its rows are in the
   * files.
   *
   * Where rows cannot be written (the disk is full, the directory was removed) the recording ends, and the run is
   * completed and rejects with a `TraceError`. The session then holds what it would hold without a trace, and goes on
   * without one. A run that fails or is stopped rejects with its own error; the next one tells before it begins.
   *
   * @throws {TraceError} when the session writes a trace already, or a file of the directory is none of a trace, of a
   * later version, or being written by another session; no file is touched
   * @throws {RangeError} for a table that does not exist
   * @throws {SessionBusyError} while a run is active
   */
  write(dir: string | URL, options?: TraceOptions): Promise<TraceRecording>;
}

/** What a trace says of a session. */
export interface TracedSession {
  /** Executes. */
  readonly backend: Backend;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Attention method. */
  readonly attention: Method;
  /** Element type of keys and values. */
  readonly kv: string;
  /** Number of tokens it holds. */
  readonly tokens: () => number;
  /** Throws when it is busy or closed. */
  readonly check: (action: string) => void;
}

/** A run that is being recorded. */
interface TracedRun {
  readonly run: number;
  readonly began: number;
  /** Steps so far. */
  steps: number;
}

/** Records the runs of one session. While nothing is recorded, every call does nothing. */
export class Tracing implements SessionTrace {
  readonly #session: TracedSession;
  #recorder: TraceRecorder | null = null;
  #plans = new PlanChanges();
  #run: TracedRun | null = null;
  /** Directory that is being opened. */
  #opening: string | null = null;
  #closed = false;

  /** Records runs of `session`. */
  constructor(session: TracedSession) {
    this.#session = session;
  }

  /** Begins a recording. */
  async write(dir: string | URL, options: TraceOptions = {}): Promise<TraceRecording> {
    this.#session.check("write a trace");
    this.#letGo();
    const current = this.#recorder?.dir ?? this.#opening;
    if (current !== null) throw refused(dir, `the session writes one to ${current}`);
    this.#opening = String(dir);
    try {
      return this.#begin(await TraceRecorder.open(dir, options));
    } finally {
      this.#opening = null;
    }
  }

  /** Does the work of a run. */
  async run<Result>(
    name: string,
    signal: AbortSignal,
    work: () => Promise<Result>,
  ): Promise<Result> {
    this.start(name);
    try {
      const result = await work();
      await this.finish();
      return result;
    } catch (error) {
      await this.stop(error, signal);
      throw error;
    }
  }

  /** A run begins. Throws what an earlier run could not tell. */
  start(name: string): void {
    this.#letGo();
    const recorder = this.#recorder;
    if (!recorder) return;
    try {
      const run = recorder.startRun(this.#runRow(name));
      this.#run = { run, began: performance.now(), steps: 0 };
    } catch (error) {
      recorder.fail(error);
    }
  }

  /** The run has done its work. Throws what kept rows from the files. */
  async finish(): Promise<void> {
    await this.#end({ ended: "finished" });
    this.#letGo();
  }

  /** The run has thrown; nothing happens when it has finished. */
  async stop(error: unknown, signal?: AbortSignal): Promise<void> {
    const cancelled = signal?.aborted || error instanceof CancelledError;
    if (cancelled) return await this.leave();
    await this.#end({ ended: "failed", error: reasonOf(error) });
  }

  /** The run was left; nothing happens when it has finished or thrown. */
  leave(): Promise<void> {
    return this.#end({ ended: "cancelled" });
  }

  /** The plans of a chunk of a prefill are known, hooks included. */
  planned({ stage, layer, rows, plans }: LayerState): void {
    const [recorder, run] = [this.#recorder, this.#run];
    if (!recorder || !run || stage !== "plan") return;
    const key = { run: run.run, step: null, phase: "prefill", index: rows.start } as const;
    recorder.append("plans", () => this.#plans.rows({ ...key, layer }, plans[0]!));
  }

  /** A chunk of text was read. */
  async read({ start, count, phase }: Segment, ms: number): Promise<void> {
    const [recorder, run] = [this.#recorder, this.#run];
    if (!recorder || !run) return;
    const row = { run: run.run, step: null, phase, index: start, tokens: count, ms };
    recorder.append("timing", () => [row]);
    await recorder.settle();
  }

  /** A token was generated. */
  async step(step: Step): Promise<void> {
    const [recorder, run] = [this.#recorder, this.#run];
    if (!recorder || !run) return;
    const { config } = this.#session;
    const key = { run: run.run, step: run.steps++ };
    const { index, ms } = step;
    recorder.append("steps", () => [stepRow(key, step)]);
    recorder.append("heads", () => headRows(key, step, config));
    recorder.append("retrieval", () => retrievalRows(key, step, config));
    recorder.append("plans", () => this.#planRows(key, step));
    recorder.append("timing", () => [{ ...key, phase: "decode", index, tokens: 1, ms }]);
    await recorder.settle();
  }

  /** The session is closed: ends the recording. */
  close(): void {
    this.#closed = true;
    this.#recorder?.[Symbol.dispose]();
  }

  #begin(recorder: TraceRecorder): TraceRecording {
    if (this.#closed) {
      recorder[Symbol.dispose]();
      throw refused(recorder.dir, "the session is closed");
    }
    this.#recorder = recorder;
    this.#plans = new PlanChanges();
    return recorder;
  }

  /** Forgets a recording that has ended: by its owner, or by a failure that is told here if it was not. */
  #letGo(): void {
    const recorder = this.#recorder;
    if (!recorder || recorder.recording) return;
    this.#recorder = null;
    recorder[Symbol.dispose]();
    recorder.tell();
  }

  async #end(how: Pick<TraceRow<"run">, "ended"> & { readonly error?: string }): Promise<void> {
    const run = this.#run;
    if (!run) return;
    this.#run = null;
    const ms = performance.now() - run.began;
    await this.#recorder?.endRun({ ...how, tokensAfter: this.#session.tokens(), ms });
  }

  #runRow(name: string): Omit<TraceRow<"run">, "run"> {
    const { backend, config, attention, kv, tokens } = this.#session;
    return {
      name,
      method: attention.name,
      methodOptions: JSON.stringify(attention.options),
      model: JSON.stringify(config),
      kv,
      backend: backend.name,
      tokensBefore: tokens(),
      tokensAfter: null,
      startedAt: new Date().toISOString(),
      ms: null,
      ended: null,
      error: null,
    };
  }

  #planRows(key: { run: number; step: number }, step: Step): TraceRow<"plans">[] {
    const of = { ...key, phase: "decode", index: step.index } as const;
    const layers = Array.from({ length: this.#session.config.layers }, (_, layer) => layer);
    return layers.flatMap((layer) => this.#plans.rows({ ...of, layer }, step.plan(layer)));
  }
}

function refused(dir: string | URL, reason: string): TraceError {
  return new TraceError(`Cannot write a trace to ${dir} as ${reason}`);
}
