import { checkSampling, type SamplingOptions } from "./sampler.ts";
import { checkSeed } from "./seed.ts";
import type { CaptureOptions, Step } from "./step.ts";
import { StopMatcher } from "./stop.ts";

/** Options of a generation. */
export interface GenerateOptions extends SamplingOptions {
  /**
   * Tokens to generate at most.
   * @default 64
   */
  readonly maxTokens?: number;
  /**
   * Texts that end the generation; they are not part of the result.
   * @default []
   */
  readonly stop?: readonly string[];
  /** Seed of the session from now on; as it was where absent. */
  readonly seed?: number;
  /** Attention rows every step keeps. Nothing is kept where absent. */
  readonly capture?: CaptureOptions;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** Options of a question. */
export interface AskOptions extends GenerateOptions {
  /**
   * How the question is put; `null` for the text as it is.
   * @default "\nQuestion: {question}\nAnswer:"
   */
  readonly template?: string | null;
}

/** Why a generation ended: a stop text, an end-of-text token, or the limit. */
export type StopReason = "stop" | "eos" | "length";

/** Result of a generation. */
export interface Generation {
  /** The text, without what stopped it. */
  readonly text: string;
  /** Ids of the generated tokens, those of the stop text included. */
  readonly ids: Int32Array;
  /** Why it ended. */
  readonly reason: StopReason;
  /** Milliseconds a token, on average. */
  readonly msPerToken: number;
}

const TEMPLATE = "\nQuestion: {question}\nAnswer:";

/** The text that puts a question. */
export function framed(question: string, template: string | null = TEMPLATE): string {
  return template === null ? question : template.replaceAll("{question}", () => question);
}

/** Collects the steps of a generation and knows when it has ended. */
export class Answering {
  readonly #maxTokens: number;
  readonly #eosIds: ReadonlySet<number>;
  readonly #stops: StopMatcher;
  readonly #ids: number[] = [];
  #text = "";
  #ms = 0;
  #reason: StopReason | null = null;

  /** Ends at `options.maxTokens`, `options.stop` or one of `eosIds`. */
  constructor(options: GenerateOptions, eosIds: readonly number[]) {
    const { maxTokens = 64, stop = [], seed = 0 } = options;
    checkSampling(options);
    checkSeed("generate", seed);
    if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
      throw new RangeError(
        `Cannot generate as maxTokens must be a whole number >= 1: current value is ${maxTokens}`,
      );
    }
    this.#maxTokens = maxTokens;
    this.#eosIds = new Set(eosIds);
    this.#stops = new StopMatcher(stop);
  }

  /** Whether nothing more is to be generated. */
  get ended(): boolean {
    return this.#reason !== null;
  }

  /** Takes a step in. */
  add(step: Step): void {
    this.#ids.push(step.token);
    this.#ms += step.ms;
    if (this.#eosIds.has(step.token)) this.#reason = "eos";
    else this.#take(step.text);
    if (this.#reason === null && this.#ids.length >= this.#maxTokens) this.#reason = "length";
  }

  /** The result; `rest` is text the decoder still held back. */
  finish(rest: string): Generation {
    if (this.#reason !== "stop") this.#text += this.#stops.push(rest).text + this.#stops.flush();
    return {
      text: this.#text,
      ids: Int32Array.from(this.#ids),
      reason: this.#reason ?? "length",
      msPerToken: this.#ms / this.#ids.length,
    };
  }

  #take(piece: string): void {
    const { text, stopped } = this.#stops.push(piece);
    this.#text += text;
    if (stopped) this.#reason = "stop";
  }
}
