const WIDTH = 28;
const encoder = new TextEncoder();

/** A progress bar on one line of stderr; silent where stderr is no terminal. */
export class ProgressLine {
  readonly #shown = Deno.stderr.isTerminal();
  #last = 0;

  /** Draws `share` (0 to 1) and what is being done, at most ten times a second. */
  update(share: number, what: string): void {
    const now = performance.now();
    if (!this.#shown || (share < 1 && now - this.#last < 100)) return;
    this.#last = now;
    const full = Math.round(share * WIDTH);
    const bar = "#".repeat(full) + "-".repeat(WIDTH - full);
    this.#write(`\r\x1b[2K[${bar}] ${Math.floor(share * 100)} %  ${what}`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#shown) this.#write("\r\x1b[2K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(encoder.encode(text));
  }
}
