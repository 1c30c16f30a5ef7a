import type { Phase } from "./forward.ts";

/** Consecutive tokens that pass through the model together. */
export interface Segment {
  /** Place of the first. */
  readonly start: number;
  /** How many. */
  readonly count: number;
  /** Which plans they get. */
  readonly phase: Phase;
}

/** Most tokens of a segment, by phase. */
export type SegmentLimits = Readonly<Record<Phase, number>>;

/** The tokens of a session, each with the phase its row belongs to. */
export class TokenLog {
  readonly #ids: number[];
  readonly #phases: Phase[];

  /** Starts with the tokens of another log, or with none. */
  constructor(other?: TokenLog) {
    this.#ids = other ? [...other.#ids] : [];
    this.#phases = other ? [...other.#phases] : [];
  }

  /** Number of tokens. */
  get length(): number {
    return this.#ids.length;
  }

  /** All ids; not to be changed. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /** Phase of the token at `index`. */
  phaseAt(index: number): Phase {
    return this.#phases[index]!;
  }

  /** Place behind the tokens from `start` on that are of one phase. */
  phaseEnd(start: number): number {
    const phase = this.phaseAt(start);
    let end = start;
    while (end < this.length && this.#phases[end] === phase) end++;
    return end;
  }

  /** Appends tokens of one phase. */
  push(ids: Iterable<number>, phase: Phase): void {
    for (const id of ids) {
      this.#ids.push(id);
      this.#phases.push(phase);
    }
  }

  /** Notes that the token at `index` was computed with other plans than it was read for. */
  setPhase(index: number, phase: Phase): void {
    this.#phases[index] = phase;
  }

  /** Forgets the tokens from `length` on. */
  truncate(length: number): void {
    this.#ids.length = this.#phases.length = Math.min(length, this.#ids.length);
  }

  /** Ids of tokens `start .. start+count-1`. */
  slice(start: number, count: number): Int32Array {
    return Int32Array.from(this.#ids.slice(start, start + count));
  }

  /** Cuts tokens `first .. end-1` into segments of one phase, each at most as long as `limits` say. */
  *segments(first: number, end: number, limits: SegmentLimits): Generator<Segment> {
    for (let start = first; start < end;) {
      const phase = this.phaseAt(start);
      const limit = Math.min(end, start + limits[phase]);
      let stop = start + 1;
      while (stop < limit && this.#phases[stop] === phase) stop++;
      yield { start, count: stop - start, phase };
      start = stop;
    }
  }
}
