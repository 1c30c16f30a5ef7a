import type { Method } from "../attention/method.ts";
import type { Part } from "./held_tokens.ts";
import type { Passes } from "./passes.ts";
import { type RunScope, throwIfAborted } from "./run.ts";
import type { Progress } from "./session_types.ts";
import type { Segment } from "./token_log.ts";
import type { Tracing } from "./tracing.ts";

/** Reads text: passes it through the model in chunks, told to whoever watches and to a trace. */
export class Reader {
  readonly #passes: Passes;
  readonly #tracing: Tracing;

  /** Reads with `passes`. */
  constructor(passes: Passes, tracing: Tracing) {
    this.#passes = passes;
    this.#tracing = tracing;
  }

  /** Appends tokens and reads all but the last. After an error those stay that were read. */
  async read(parts: readonly Part[], scope: RunScope<Progress>): Promise<void> {
    const { held } = this.#passes;
    const { length: before, contextTokens } = held;
    held.checkFits(parts.reduce((sum, { ids }) => sum + ids.length, before));
    held.push(parts);
    try {
      await this.advance(held.length - 1, scope);
    } catch (error) {
      held.truncate(Math.max(before, held.cache.length), contextTokens);
      throw error;
    }
  }

  /** Passes tokens through the model until `target` of them are in the cache. */
  async advance(
    target: number,
    { emit, signal, control }: RunScope<Progress>,
  ): Promise<void> {
    const first = this.#passes.held.cache.length;
    const [total, began] = [target - first, performance.now()];
    for (const segment of this.#passes.segments(first, target)) {
      throwIfAborted(signal);
      await this.#readSegment(segment, control);
      const done = segment.start + segment.count - first;
      const ms = performance.now() - began;
      emit({ kind: "progress", phase: segment.phase, done, total, ms });
    }
  }

  /** Builds the indexes that a method asks over all that is in the cache. */
  async index(
    method: Method,
    { emit, signal, control }: RunScope<Progress>,
  ): Promise<void> {
    const { indexes, cache } = this.#passes.held;
    const began = performance.now();
    await indexes.prepare(method, cache, control, (done, total) => {
      throwIfAborted(signal);
      emit({ kind: "progress", phase: "index", done, total, ms: performance.now() - began });
    });
  }

  async #readSegment(segment: Segment, control: RunScope<Progress>["control"]): Promise<void> {
    const began = performance.now();
    for await (const { state } of this.#passes.places(this.#passes.request(segment, control))) {
      if (segment.phase === "prefill") this.#tracing.planned(state);
    }
    await this.#tracing.read(segment, performance.now() - began);
  }
}
