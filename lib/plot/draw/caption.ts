/** The small print below a figure. */
import { textColumns } from "./columns.ts";
import { label } from "./svg.ts";
import { wrapped } from "./text_lines.ts";

/** Height of a line. */
const LINE = 15;
/** Width of a character on average, in a wide font. */
const CHARACTER = 6.4;

/** Lines of a caption and their height. */
export interface Caption {
  /** Markup. */
  readonly markup: string;
  /** Height in pixels. */
  readonly height: number;
}

/** Facts in a row, broken between facts where they do not fit the width. */
export function caption(
  facts: readonly string[],
  at: { readonly x: number; readonly y: number; readonly width: number },
): Caption {
  const lines = broken(facts, Math.max(20, Math.floor(at.width / CHARACTER)));
  const markup = lines.map((line, i) =>
    label(line, { x: at.x, y: at.y + (i + 1) * LINE - 4, opacity: 0.75 })
  );
  return { markup: markup.join(""), height: lines.length * LINE };
}

function broken(facts: readonly string[], most: number): string[] {
  const lines: string[] = [];
  for (const fact of facts.flatMap((fact) => wrapped(fact, most))) {
    const longer = `${lines.at(-1)} \u00b7 ${fact}`;
    if (lines.length > 0 && textColumns(longer) <= most) lines[lines.length - 1] = longer;
    else lines.push(fact);
  }
  return lines;
}
