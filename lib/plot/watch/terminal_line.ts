import { clipColumns } from "../draw/columns.ts";
import { visibleBreaks } from "../draw/token_text.ts";

/** What is used of `Deno.stdout` and `Deno.stderr`. */
export interface TerminalOutput {
  /** Whether somebody sees it. */
  isTerminal(): boolean;
  /** Writes. */
  writeSync(bytes: Uint8Array): number;
}

const CLEAR = "\r\x1b[2K";
const USUAL_COLUMNS = 80;
const BAR = 28;
const encoder = new TextEncoder();

/** A bar of characters for a share of 0 to 1: `[#######-----] 58 %`. */
export function barText(share: number): string {
  const full = Math.round(share * BAR);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${Math.floor(share * 100)} %`;
}

/** One line of a terminal that is written again and again; silent where there is no terminal. */
export class TerminalLine {
  /** Whether there is a terminal. */
  readonly shown: boolean;
  readonly #output: TerminalOutput;
  readonly #columns: () => number;

  /** A line of `output`, which is `columns()` wide at the moment. */
  constructor(output: TerminalOutput, columns: () => number = consoleColumns) {
    this.#output = output;
    this.#columns = columns;
    this.shown = output.isTerminal();
  }

  /** Columns that a text may take: a full line would wrap in some terminals. */
  get columns(): number {
    return this.#columns() - 1;
  }

  /** Puts a text in place of the one before, cut to the terminal's width. Nothing in it moves the cursor. */
  show(text: string): void {
    this.#write(CLEAR + clipColumns(visibleBreaks(text), this.columns));
  }

  /** Leaves the line as it is and goes to the next. */
  end(): void {
    this.#write("\n");
  }

  /** Removes the line. */
  clear(): void {
    this.#write(CLEAR);
  }

  #write(text: string): void {
    if (this.shown) this.#output.writeSync(encoder.encode(text));
  }
}

function consoleColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return USUAL_COLUMNS;
  }
}
