/** A shaded text as SVG, in a font of equal widths. It shows the first kind of score. */
import { clipColumns, textColumns } from "../draw/columns.ts";
import { foldText } from "./heat_runs.ts";
import { type Shade, shadeLevel } from "./heat_shade.ts";
import type { Heat } from "./heat_types.ts";
import { shortNumber } from "../draw/number_text.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, svgDocument } from "../draw/svg.ts";
import {
  cellsIn,
  pieceMarkup,
  shadeMarkup,
  TOKEN_FONT,
  TOKEN_LINE,
  TokenLines,
  wordsOf,
} from "../draw/token_lines.ts";
import { visibleToken } from "../draw/token_text.ts";

/** Height of the key to the shades. */
const KEY = 22;
/** Columns of the score's name there. */
const NAME = 40;

/** The text as a picture. */
export async function heatSvg(
  heat: Heat,
  shades: readonly Shade[],
  width: number,
): Promise<string> {
  const lines = layOut(heat, cellsIn(width));
  const height = KEY + lines.count * TOKEN_LINE + 4;
  const origin = { x: 0, y: KEY };
  const marks = lines.pieces.map((piece) => pieceMarkup(piece, shades, origin)).join("");
  const size = { width, height, about: heat.title };
  const body = svgDocument(size, keyMarkup(heat, shades), element("g", TOKEN_FONT, marks));
  const others = heat.metrics.slice(1).map(({ name }) => name);
  const shown = others.length === 0
    ? []
    : [`shaded by ${heat.metrics[0]!.name}; the page can show ${others.join(", ")}`];
  return await sheet({ title: heat.title, body, facts: [...heat.facts, ...shown], width });
}

function layOut({ tokens, metrics, runs }: Heat, columns: number): TokenLines {
  const lines = new TokenLines(columns);
  const { values, scale } = metrics[0]!;
  for (const run of runs) {
    lines.next();
    if (!run.open) lines.put(clipColumns(foldText(run, metrics), columns), -1);
    for (const word of run.open ? wordsOf(tokens, run.start, run.end) : []) {
      lines.putWord(word.map((token) => ({
        text: visibleToken(tokens[token]!),
        level: shadeLevel(scale.ink(values[token]!)),
      })));
      if (tokens[word.at(-1)!]!.endsWith("\n")) lines.next();
    }
  }
  return lines;
}

/** What the shades of the first score stand for. */
function keyMarkup({ metrics }: Heat, shades: readonly Shade[]): string {
  const { name, scale } = metrics[0]!;
  let x = 0;
  const put = (text: string, level: number) => {
    const piece = label(text, { x: x + 4, y: 13, fill: shades[level]!.text });
    const width = 8 + 6.4 * textColumns(text);
    const markup = shadeMarkup(shades[level]!, x, 0, width) + piece;
    x += width;
    return markup;
  };
  return put(clipColumns(name, NAME), 0) +
    [0, 0.25, 0.5, 0.75, 1].map((ink) => put(shortNumber(scale.value(ink)), shadeLevel(ink))).join(
      "",
    );
}
