import type { Generation } from "./generate.ts";
import type { SessionMemory } from "./memory.ts";
import { Run } from "./run.ts";
import type { CaptureOptions } from "./step.ts";

/** What a view of a generation may ask about the session that generates. */
export interface GenerationSource {
  /** Name of the attention method. */
  readonly method: string;
  /** Texts to show of tokens `start .. end-1`, as far as there are such tokens. */
  tokens(start: number, end: number): string[];
  /** Bytes of keys and values, and how many of them the method needs at hand. */
  memory(): SessionMemory;
}

/** Attention rows that the steps of a generation keep. */
export interface CaptureWish {
  /**
   * Rows that steps keep from the next one on that is computed; nothing where `undefined`. It may be set after the run
   * was started, as its first step comes later.
   */
  capture: CaptureOptions | undefined;
}

/** What a generation run is started with. */
export interface GenerationRunOptions extends CaptureWish {
  /** The session that generates. */
  readonly source: GenerationSource;
  /** Stops the run. */
  readonly signal: AbortSignal | undefined;
  /** Called in the end, whatever came. */
  readonly onSettled: () => void;
}

/** A generation that has started: its events are steps, and progress while a question is read. */
export class GenerationRun<Event> extends Run<Event, Generation> implements CaptureWish {
  /** The session that generates, as far as a view needs it. */
  readonly source: GenerationSource;
  readonly #wish: CaptureWish;

  /** Started by a session. */
  constructor(
    work: (
      emit: (event: Event) => void,
      signal: AbortSignal,
      wish: CaptureWish,
    ) => Promise<Generation>,
    { source, capture, ...options }: GenerationRunOptions,
  ) {
    const wish: CaptureWish = { capture };
    super((emit, signal) => work(emit, signal, wish), options);
    this.#wish = wish;
    this.source = source;
  }

  /**
   * Attention rows that steps keep from the next one on that is computed; nothing where `undefined`. It may be set
   * after the run was started, as its first step comes later: `run.capture ??= { layers: [3] }`.
   */
  get capture(): CaptureOptions | undefined {
    return this.#wish.capture;
  }

  set capture(capture: CaptureOptions | undefined) {
    this.#wish.capture = capture;
  }
}
