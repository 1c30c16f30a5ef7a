import { barText, TerminalLine } from "../plot/watch/terminal_line.ts";

const EVERY_MS = 100;

/** A progress bar on one line of stderr; silent where stderr is no terminal. */
export class ProgressLine {
  readonly #line = new TerminalLine(Deno.stderr);
  #last = 0;

  /** Draws `share` (0 to 1) and what is being done, at most ten times a second. */
  update(share: number, what: string): void {
    const now = performance.now();
    if (share < 1 && now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#line.show(`${barText(share)}  ${what}`);
  }

  /** Removes the line. */
  clear(): void {
    this.#line.clear();
  }
}
