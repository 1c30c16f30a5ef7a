import type { RunControl } from "../../ffi/backend.ts";
import type { Forward, ForwardEvent, ForwardRequest } from "./forward.ts";
import type { HeldTokens } from "./held_tokens.ts";
import type { Hooks } from "./hooks.ts";
import type { Segment, SegmentLimits } from "./token_log.ts";

/** What passes of a session work with. */
export interface PassParts {
  /** Its tokens. */
  readonly held: HeldTokens;
  /** Passes over its cache. */
  readonly forward: Forward;
  /** Called at every place. */
  readonly hooks: Hooks;
  /** Most tokens of a pass. */
  readonly limits: SegmentLimits;
}

/** Passes of the tokens of a session through the model, hooks included. */
export class Passes {
  /** The tokens. */
  readonly held: HeldTokens;
  /** What the last pass left: logits, states. */
  readonly forward: Forward;
  readonly #hooks: Hooks;
  readonly #limits: SegmentLimits;

  /** Passes with these parts. */
  constructor({ held, forward, hooks, limits }: PassParts) {
    this.held = held;
    this.forward = forward;
    this.#hooks = hooks;
    this.#limits = limits;
  }

  /** Cuts tokens `first .. end-1` into what can pass together. */
  segments(first: number, end: number): Iterable<Segment> {
    return this.held.log.segments(first, end, this.#limits);
  }

  /** A pass of `count` tokens from `start` on, which are of one phase. */
  request(
    { start, count }: Pick<Segment, "start" | "count">,
    control: RunControl,
  ): ForwardRequest {
    const { log, contextTokens } = this.held;
    const phase = log.phaseAt(start);
    const [ids, promptEnd] = [log.slice(start, count), log.phaseEnd(start)];
    return { ids, start, phase, promptEnd, logits: false, contextTokens, control };
  }

  /** The row that the next token is chosen from; whatever it was read for, it gets the decode plans. */
  lastRow(control: RunControl): ForwardRequest {
    const row = this.request({ start: this.held.length - 1, count: 1 }, control);
    return { ...row, phase: "decode", logits: true };
  }

  /** The places of a pass, after their hooks. */
  async *places(request: ForwardRequest): AsyncGenerator<ForwardEvent, void> {
    for await (const event of this.forward.pass(request)) {
      await this.#hooks.call(event.state);
      yield event;
    }
  }
}
