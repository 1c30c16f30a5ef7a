/** The small print below a figure. */
import { label } from "./svg.ts";

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
  for (const fact of facts.flatMap((fact) => words(fact, most))) {
    const last = lines.at(-1);
    const longer = `${last} \u00b7 ${fact}`;
    if (last !== undefined && longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(fact);
  }
  return lines;
}

/** A fact that is longer than a line, broken between its words. */
function words(fact: string, most: number): string[] {
  if (fact.length <= most) return [fact];
  const cut = fact.lastIndexOf(" ", most);
  const end = cut > 0 ? cut : most;
  return [fact.slice(0, end), ...words(fact.slice(end).trimStart(), most)];
}
