/** What a text will take, guessed from how much longer than their ceiling the texts before it took. */
import { spreadOf } from "../statistics.ts";
import type { ModelTimes } from "./measure_model.ts";
import { GENERATED } from "./model_case.ts";

/** Times as long as the ceiling allows, before anything is known: of ours and of another program. */
const FIRST_GUESS = { ours: 2.5, peer: 6 };
/** A longer text may take so many times what the shorter ones let one think. */
const CAUTION = 1.3;
/** Repetitions that a text should get: of reading it and of generating behind it. */
const WANTED = { read: 5, generated: 8 };
const LEAST = { read: 1, generated: 3 };
/** Milliseconds until both have loaded a model and warmed up. */
const START_MS = 3000;

/** How much longer than their ceilings both programs take. */
export class ModelPace {
  #ours = FIRST_GUESS.ours;
  #peer: number;
  readonly #hasPeer: boolean;

  /** Knows nothing yet. */
  constructor(hasPeer: boolean) {
    this.#hasPeer = hasPeer;
    this.#peer = hasPeer ? FIRST_GUESS.peer : 0;
  }

  /** Milliseconds for one reading and a few generations by both, from what their ceilings allow. */
  leastMs(prefillMs: number, decodeMs: number): number {
    return this.#ms(LEAST, prefillMs, decodeMs);
  }

  /** Milliseconds for as many as a text should get. */
  wantedMs(prefillMs: number, decodeMs: number): number {
    return this.#ms(WANTED, prefillMs, decodeMs);
  }

  /** Takes in what reading a text took, and would have taken at its ceiling. */
  learn(prefillMs: number, { prefill: { ours, peer } }: ModelTimes): void {
    this.#ours = CAUTION * spreadOf(ours).median / prefillMs;
    if (this.#hasPeer && peer.length > 0) this.#peer = CAUTION * spreadOf(peer).median / prefillMs;
  }

  #ms({ read, generated }: typeof LEAST, prefillMs: number, decodeMs: number): number {
    const factor = this.#ours + this.#peer;
    return START_MS + factor * (read * prefillMs + generated * GENERATED * decodeMs);
  }
}
