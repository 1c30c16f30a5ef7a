import type { RunControl } from "../../ffi/backend.ts";
import type { ForwardEvent } from "./forward.ts";
import type { Answering, GenerateOptions, Generation } from "./generate.ts";
import type { CaptureWish } from "./generation_run.ts";
import type { NextLogits } from "./held_tokens.ts";
import type { Passes } from "./passes.ts";
import { recordLayer } from "./record.ts";
import { type RunScope, throwIfAborted } from "./run.ts";
import { sample, type SamplingOptions } from "./sampler.ts";
import { randomAt } from "./seed.ts";
import type { SessionModel } from "./session_types.ts";
import type { LayerState } from "./state.ts";
import { type CaptureOptions, type LayerRecord, Step } from "./step.ts";
import type { Tracing } from "./tracing.ts";

/** What steps need of a session. */
export interface StepperParts {
  /** Computes and describes. */
  readonly model: Pick<SessionModel, "backend" | "config">;
  /** Passes of its tokens. */
  readonly passes: Passes;
  /** Told of every step. */
  readonly tracing: Tracing;
  /** Seed of the sampler. */
  readonly seed: number;
}

/** Chooses tokens, one step each. */
export class Stepper {
  /** Seed of the sampler. */
  seed: number;
  readonly #model: Pick<SessionModel, "backend" | "config">;
  readonly #passes: Passes;
  readonly #tracing: Tracing;

  /** Steps with these parts. */
  constructor({ model, passes, tracing, seed }: StepperParts) {
    this.#model = model;
    this.#passes = passes;
    this.#tracing = tracing;
    this.seed = seed;
  }

  /** Chooses the next token. */
  async step(
    options: SamplingOptions,
    capture: CaptureOptions | undefined,
    { signal, control }: Pick<RunScope<never>, "signal" | "control">,
  ): Promise<Step> {
    const { held } = this.#passes;
    const began = performance.now();
    throwIfAborted(signal);
    const { logits, records } = this.#walked(capture) ?? await this.#compute(capture, control);
    const index = held.length;
    const token = sample(logits, options, randomAt(this.seed, index), held.log.ids);
    const text = held.append(token);
    const ms = performance.now() - began;
    const step = new Step({ token, text, index, logits, ms }, records);
    await this.#tracing.step(step);
    return step;
  }

  /** Chooses tokens until the answer has ended. */
  async generate(
    answering: Answering,
    options: GenerateOptions,
    wish: CaptureWish,
    scope: RunScope<Step>,
  ): Promise<Generation> {
    const { held } = this.#passes;
    this.seed = options.seed ?? this.seed;
    held.startStream();
    while (!answering.ended) {
      const late = wish.capture !== options.capture;
      // What layers() computed without rows stays so, unless the caller's own options ask for them.
      const capture = late && held.next?.captured === false ? undefined : wish.capture;
      const step = await this.step(options, capture, scope);
      answering.add(step);
      scope.emit(step);
    }
    return answering.finish(held.flushStream());
  }

  /** The places of the pass that the next step chooses from. */
  async *walk(
    capture: CaptureOptions | undefined,
    control: RunControl,
  ): AsyncGenerator<LayerState, void> {
    const { held } = this.#passes;
    held.holdBack();
    held.next = null;
    const records: LayerRecord[] = [];
    for await (const event of this.#passes.places(this.#passes.lastRow(control))) {
      if (event.decoded) records.push(await this.#record(event, capture));
      yield event.state;
    }
    held.next = this.#next(records, capture);
  }

  #walked(capture: CaptureOptions | undefined): NextLogits | null {
    const { next } = this.#passes.held;
    if (capture && next && !next.captured) {
      throw new RangeError(
        "Cannot capture as layers() has computed this step: ask for it with layers({ capture })",
      );
    }
    return next;
  }

  async #compute(
    capture: CaptureOptions | undefined,
    control: RunControl,
  ): Promise<NextLogits> {
    const { held } = this.#passes;
    held.holdBack();
    held.checkFits(held.length);
    const records: LayerRecord[] = [];
    for await (const event of this.#passes.places(this.#passes.lastRow(control))) {
      if (event.decoded) records.push(await this.#record(event, capture));
    }
    return this.#next(records, capture);
  }

  #next(records: readonly LayerRecord[], capture: CaptureOptions | undefined): NextLogits {
    const { held, forward } = this.#passes;
    held.log.setPhase(held.length - 1, "decode");
    return { logits: forward.readLogits(), records, captured: !!capture };
  }

  #record(event: ForwardEvent, capture: CaptureOptions | undefined): Promise<LayerRecord> {
    const { backend, config } = this.#model;
    const { cache, length } = this.#passes.held;
    return recordLayer({ backend, config, cache, position: length - 1 }, event, capture);
  }
}
