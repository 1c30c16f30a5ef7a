/** The sheet that a chart stands on: title above, facts and colours below. */
import { caption } from "./caption.ts";
import { COLOUR_BAR_HEIGHT, colourBar } from "./colour_bar.ts";
import { placed, sizeOf } from "./nest.ts";
import type { Palette } from "./palette.ts";
import type { Scale } from "./scale.ts";
import { label, svgDocument } from "./svg.ts";

/** What stands on a sheet. */
export interface Sheet {
  /** Line above the chart; wrapped where it is long. */
  readonly title: string;
  /** The chart, an SVG text. */
  readonly body: string;
  /** What is said below it. */
  readonly facts: readonly string[];
  /** Width of the sheet; a wider body widens it. */
  readonly width: number;
  /**
   * What the chart's colours mean.
   * @default nothing: there is no colour bar
   */
  readonly ink?: { readonly palette: Palette; readonly scale: Scale; readonly title: string };
}

const TITLE_SIZE = 13;
const TITLE_LINE = 18;
/** Width of a bold character of the title, in a wide font. */
const TITLE_CHARACTER = 8.2;
const BAR_WIDTH = 190;
const GAP = 24;

/** A sheet as SVG text. */
export async function sheet({ title, body, facts, width: least, ink }: Sheet): Promise<string> {
  const size = sizeOf(body);
  const width = Math.max(least, size.width);
  const lines = wrapped(title, width / TITLE_CHARACTER);
  const top = lines.length * TITLE_LINE + 4;
  const bottom = top + size.height + 6;
  const beside = ink !== undefined && width >= 2 * BAR_WIDTH + GAP;
  const bar = { x: width - BAR_WIDTH - 8, y: bottom, width: BAR_WIDTH, title: ink?.title ?? "" };
  const factTop = ink && !beside ? bottom + COLOUR_BAR_HEIGHT : bottom;
  const factWidth = beside ? bar.x - GAP : width;
  const said = caption(facts, { x: 0, y: factTop, width: factWidth });
  const end = Math.max(factTop + said.height, ink ? bottom + COLOUR_BAR_HEIGHT : 0);
  return svgDocument(
    { width, height: end + 4, about: `${title}: ${facts.join("; ")}` },
    ...lines.map(titleLine),
    placed(body, 0, top),
    ink ? await colourBar(ink.palette, ink.scale, bar) : "",
    said.markup,
  );
}

function titleLine(text: string, line: number): string {
  return label(text, {
    x: 0,
    y: 13 + line * TITLE_LINE,
    "font-size": TITLE_SIZE,
    "font-weight": 600,
  });
}

/** Lines of at most `most` characters, broken between words where possible. */
function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).flatMap((word) => cut(word, Math.floor(most)))) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function cut(word: string, most: number): string[] {
  const characters = [...word];
  const pieces = Math.max(1, Math.ceil(characters.length / most));
  return Array.from(
    { length: pieces },
    (_, i) => characters.slice(i * most, (i + 1) * most).join(""),
  );
}
