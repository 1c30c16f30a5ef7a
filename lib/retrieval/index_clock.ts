/** What building and appending took. */
export class IndexClock {
  #buildMs: number;
  #appendMs = 0;
  #appended: number;

  /** An index that has not been built, or that was. */
  constructor(buildMs = 0, appended = 0) {
    this.#buildMs = buildMs;
    this.#appended = appended;
  }

  /** Does the work of building. */
  async build(work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    await work();
    this.#buildMs += performance.now() - began;
  }

  /** Does the work of appending `keys` keys. */
  async append(keys: number, work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    await work();
    this.#appendMs += performance.now() - began;
    this.#appended += keys;
  }

  /** The clock of a fork. */
  copy(): IndexClock {
    const copy = new IndexClock(this.#buildMs, this.#appended);
    copy.#appendMs = this.#appendMs;
    return copy;
  }

  /** What was counted. */
  times(): { buildMs: number; appendMs: number; appended: number } {
    return { buildMs: this.#buildMs, appendMs: this.#appendMs, appended: this.#appended };
  }
}
