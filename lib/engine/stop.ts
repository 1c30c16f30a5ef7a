/** Ends a streamed text at a stop string, and holds back what may be the beginning of one. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /** Matches any of `stops`; with none it passes everything on. */
  constructor(stops: readonly string[]) {
    if (stops.includes("")) {
      throw new RangeError('Cannot stop at a text as it must not be empty: current value is ""');
    }
    this.#stops = stops;
  }

  /**
   * Takes the next piece in and returns the text that is certain to stand in front of any stop string, and whether one
   * was found: the one that ends first. How the text is cut into pieces makes no difference. After a stop nothing comes.
   */
  push(piece: string): { text: string; stopped: boolean } {
    if (this.#stopped) return { text: "", stopped: true };
    const all = this.#held + piece;
    const cut = this.#find(all);
    this.#stopped = cut !== undefined;
    const end = cut ?? all.length - this.#beginning(all);
    this.#held = this.#stopped ? "" : all.slice(end);
    return { text: all.slice(0, end), stopped: this.#stopped };
  }

  /** Returns what is held back, as no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Where the stop string starts that ends first; of those the longest. */
  #find(text: string): number | undefined {
    let cut: number | undefined;
    let end = Infinity;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      const stopEnd = start + stop.length;
      if (start < 0 || stopEnd > end) continue;
      cut = stopEnd < end ? start : Math.min(start, cut ?? start);
      end = stopEnd;
    }
    return cut;
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #beginning(text: string): number {
    const lengths = this.#stops.map((stop) => {
      for (let length = Math.min(stop.length - 1, text.length); length > 0; length--) {
        if (text.endsWith(stop.slice(0, length))) return length;
      }
      return 0;
    });
    return Math.max(0, ...lengths);
  }
}
