/** A live panel as one SVG, for files: text in a font of one width, broken into lines here. */
import { stripName } from "./live_html.ts";
import { levelOf, LOOKS, panelScale } from "./live_ink.ts";
import { GLYPHS, type LivePanel, type PanelText, type PanelToken } from "./live_panel.ts";
import { stripPicture } from "./live_strip.ts";
import type { LiveFact } from "./live_types.ts";
import { percentText } from "../draw/number_text.ts";
import { BLUE, css } from "../draw/palette.ts";
import type { Scale } from "../draw/scale.ts";
import { element, label, svgDocument } from "../draw/svg.ts";
import { type LineLooks, textLines } from "../draw/text_lines.ts";
import { rangeText } from "../draw/token_axis.ts";
import {
  cellsIn,
  pieceMarkup,
  TOKEN_FONT,
  TOKEN_LINE,
  TokenLines,
  wordsOf,
} from "../draw/token_lines.ts";
import { visibleBreaks } from "../draw/token_text.ts";

const GAP = 10;
const NAME = 16;
const PLACES = 150;
/** SVG drops other blanks at the ends of a text. */
const BLANK = "\u00a0";

/** Markup below other markup. */
class Sheet {
  readonly #parts: string[] = [];
  /** Where the next part begins. */
  y = 4;

  /** Adds markup of so many pixels; it is made of where it begins. */
  add(height: number, markup: (y: number) => string): void {
    this.#parts.push(markup(this.y));
    this.y += height;
  }

  toString(): string {
    return this.#parts.join("");
  }
}

/** Draws a panel so wide. */
export async function liveSvg(panel: LivePanel, width: number): Promise<string> {
  const sheet = new Sheet();
  const scale = panelScale(panel);
  const { title, state, status, headline, strip } = panel;
  const said = `${[`${GLYPHS[state]} ${status}`, ...headline].join(" \u00b7 ")}`;
  wrap(sheet, title, { x: 0, y: 12, line: 18, size: 13, weight: 600, width });
  sheet.y += 2;
  wrap(sheet, said, { x: 0, y: 10, line: NAME, size: 10, width });
  text(sheet, panel.text, scale, width);
  if (strip) {
    places(sheet, panel, scale, width);
    const { title: about, notes } = stripName(strip);
    heading(sheet, about, notes);
    const { markup, height } = await stripPicture(strip, width);
    sheet.add(height, (y) => element("g", { transform: `translate(0,${y})` }, markup));
  }
  heading(sheet, "Keys", [panel.scope]);
  for (const fact of panel.facts) sheet.add(NAME, (y) => factLine(fact, y));
  return svgDocument({ width, height: sheet.y + 4, about: `${title}: ${said}` }, String(sheet));
}

/** Adds a text in as many lines as it takes. */
function wrap(sheet: Sheet, text: string, looks: LineLooks): void {
  const { markup, height } = textLines(text, { ...looks, y: sheet.y + looks.y });
  sheet.add(height, () => markup);
}

function heading(sheet: Sheet, title: string, notes: readonly string[]): void {
  sheet.y += GAP;
  sheet.add(NAME, (y) => label(title, { x: 0, y: y + 10, "font-size": 11, "font-weight": 600 }));
  if (notes.length === 0) return;
  sheet.add(NAME, (y) => label(notes.join(" \u00b7 "), { x: 0, y: y + 8, opacity: 0.65 }));
}

function text(sheet: Sheet, { prompt, hidden, generated }: PanelText, scale: Scale, width: number) {
  if (generated.length === 0) return;
  sheet.y += GAP;
  const gap = { index: -1, text: ` \u2026 ${hidden} tokens \u2026 `, attention: NaN };
  const shown = [...prompt, ...(hidden > 0 ? [gap] : []), ...generated];
  const dim = prompt.length + (hidden > 0 ? 1 : 0);
  lines(sheet, shown, scale, { x: 0, width, dim, breaks: true });
}

function places(sheet: Sheet, panel: LivePanel, scale: Scale, width: number): void {
  const strongest = `darkest ${percentText(panel.most)}`;
  heading(sheet, `Attention of ${panel.scope}`, [...panel.notes, strongest]);
  for (const { tokens, share } of panel.windows) {
    const said = `${rangeText(tokens[0]!.index, tokens.at(-1)!.index)}   ${percentText(share)}`;
    sheet.add(0, (y) => label(said, { x: PLACES - 12, y: y + 13, "text-anchor": "end" }));
    lines(sheet, tokens, scale, { x: PLACES, width: width - PLACES, dim: 0, breaks: false });
  }
}

function factLine({ name, text, share }: LiveFact, y: number): string {
  const amount = share === undefined ? "" : bar(share, y + 3) +
    label(percentText(share), { x: 224, y: y + 10, "text-anchor": "end" });
  return label(name, { x: 0, y: y + 10 }) + amount +
    label(text, { x: 234, y: y + 10, opacity: 0.65 });
}

function bar(share: number, y: number): string {
  const width = 110 * Math.min(1, share);
  return element("rect", { x: 72, y, width: 110, height: 7, rx: 3, "fill-opacity": 0.15 }) +
    element("rect", { x: 72, y, width, height: 7, rx: 3, fill: css(BLUE) });
}

/** Tokens in lines of so many pixels; the first `dim` of them are less important. `breaks`: those of the text count. */
function lines(
  sheet: Sheet,
  tokens: readonly PanelToken[],
  scale: Scale,
  { x, width, dim, breaks }: { x: number; width: number; dim: number; breaks: boolean },
): void {
  const lines = new TokenLines(cellsIn(width));
  for (const word of wordsOf(tokens.map(({ text }) => text))) {
    lines.putWord(word.map((at) => ({
      text: visibleBreaks(tokens[at]!.text).replaceAll(" ", BLANK),
      level: levelOf(tokens[at]!.attention, scale),
      faint: at < dim,
    })));
    if (breaks && tokens[word.at(-1)!]!.text.endsWith("\n")) lines.next();
  }
  sheet.add(lines.count * TOKEN_LINE, (y) => {
    const pieces = lines.pieces.map((piece) => pieceMarkup(piece, LOOKS, { x, y }));
    return element("g", { ...TOKEN_FONT }, pieces.join(""));
  });
}
