/** Text that is broken into lines of a picture. */
import { columnsOf, textColumns } from "./columns.ts";
import { label } from "./svg.ts";

/** Where lines are and how they look. */
export interface LineLooks {
  /** Left end. */
  readonly x: number;
  /** Baseline of the first line. */
  readonly y: number;
  /** Pixels between two baselines. */
  readonly line: number;
  /** Pixels that a line may be wide. */
  readonly width: number;
  /** Size of the font. */
  readonly size: number;
  /**
   * Weight of the font.
   * @default 400
   */
  readonly weight?: number;
}

/** Lines of text and their height. */
export interface TextLines {
  /** Markup. */
  readonly markup: string;
  /** Height in pixels. */
  readonly height: number;
}

/** Width of a bold character of size 1, in a wide font. */
const CHARACTER = 8.2 / 13;

/** A text in as many lines as it takes. */
export function textLines(text: string, looks: LineLooks): TextLines {
  const { x, y, line, width, size, weight } = looks;
  const lines = wrapped(text, width / (CHARACTER * size));
  const markup = lines.map((one, i) =>
    label(one, { x, y: y + i * line, "font-size": size, "font-weight": weight })
  );
  return { markup: markup.join(""), height: lines.length * line };
}

/** Lines of at most `most` columns, broken between words where possible. */
export function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).flatMap((word) => cut(word, Math.max(2, most)))) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textColumns(longer) <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function cut(word: string, most: number): string[] {
  const pieces = [""];
  let columns = 0;
  for (const character of word) {
    columns += columnsOf(character);
    if (columns > most) {
      columns = columnsOf(character);
      pieces.push("");
    }
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}
