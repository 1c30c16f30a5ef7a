/** Shaded tokens on lines, as SVG in a font of equal widths. */
import { textColumns } from "./columns.ts";
import type { Shade } from "../heat/heat_shade.ts";
import { element, label, MONOSPACE } from "./svg.ts";

/** Width of a narrow character. */
const CELL = 6.62;
/** Height of a line. */
export const TOKEN_LINE = 20;
/** The font of tokens. */
export const TOKEN_FONT = { "font-family": MONOSPACE, "font-size": 11 } as const;

/** A piece of text that stands on one line. */
export interface TokenPiece {
  /** The text. */
  readonly text: string;
  /** Its line. */
  readonly line: number;
  /** Place on the line, in narrow characters. */
  readonly column: number;
  /** Width, in narrow characters. */
  readonly cells: number;
  /** Look; -1 for what is no token. */
  readonly level: number;
  /** Whether the text is less important. */
  readonly faint: boolean;
}

/** Narrow characters that a line of so many pixels holds. */
export function cellsIn(width: number): number {
  return Math.max(8, Math.floor(width / CELL));
}

/** Places pieces one behind the other on lines of `columns` narrow characters. */
export class TokenLines {
  /** What was placed. */
  readonly pieces: TokenPiece[] = [];
  /** Narrow characters of a line. */
  readonly columns: number;
  #line = 0;
  #column = 0;

  /** Lines of `columns` narrow characters. */
  constructor(columns: number) {
    this.columns = columns;
  }

  /** Lines with something on them. */
  get count(): number {
    return 1 + (this.pieces.at(-1)?.line ?? 0);
  }

  /** Goes to a new line unless `cells` have room on this one. */
  need(cells: number): void {
    if (this.#column + cells > this.columns) this.next();
  }

  /** Goes to a new line unless this one is empty. */
  next(): void {
    if (this.#column === 0) return;
    this.#line++;
    this.#column = 0;
  }

  /** Places tokens that belong together on one line, where it is long enough. */
  putWord(word: readonly { text: string; level: number; faint?: boolean }[]): void {
    this.need(Math.min(this.columns, textColumns(word.map(({ text }) => text).join(""))));
    for (const { text, level, faint } of word) this.put(text, level, faint);
  }

  /** Places a piece. */
  put(text: string, level: number, faint = false): void {
    const cells = Math.min(textColumns(text), this.columns);
    if (cells === 0) return;
    this.need(cells);
    const place = { line: this.#line, column: this.#column, cells };
    this.pieces.push({ text, level, faint, ...place });
    this.#column += cells;
  }
}

/**
 * Places in a text, in groups that are kept on a line: up to a token that begins with a blank, or behind one that ends
 * with one.
 */
export function wordsOf(tokens: readonly string[], start = 0, end = tokens.length): number[][] {
  const words: number[][] = [];
  for (let token = start; token < end; token++) {
    const begins = token === start || /^\s/.test(tokens[token]!) || /\s$/.test(tokens[token - 1]!);
    if (begins) words.push([token]);
    else words.at(-1)!.push(token);
  }
  return words;
}

/** A piece as SVG; the first line begins at `x`, `y`. */
export function pieceMarkup(
  { text, line, column, cells, level, faint }: TokenPiece,
  shades: readonly Shade[],
  origin: { readonly x: number; readonly y: number },
): string {
  const [x, y] = [origin.x + column * CELL, origin.y + line * TOKEN_LINE];
  if (level < 0) return label(text, { x, y: y + 14, "fill-opacity": 0.7 });
  const width = cells * CELL;
  return shadeMarkup(shades[level]!, x, y, width) + label(text, {
    x,
    y: y + 13,
    textLength: width,
    lengthAdjust: "spacingAndGlyphs",
    fill: shades[level]!.text,
    "fill-opacity": faint ? 0.7 : undefined,
    "unicode-bidi": "isolate",
  });
}

/** What is behind and below a shaded piece, as SVG. */
export function shadeMarkup(
  { background, opacity, underline }: Shade,
  x: number,
  y: number,
  width: number,
): string {
  if (!background) return "";
  const height = TOKEN_LINE - 4;
  const box = { x, y: y + 2, width, height, fill: background, "fill-opacity": opacity };
  return element("rect", box) +
    element("rect", { x, y: y + TOKEN_LINE - 2 - underline, width, height: underline });
}
