/** Next tokens by method as a table in SVG. */
import { clipColumns } from "../draw/columns.ts";
import { escapeText } from "../draw/escape.ts";
import { percentText, shortNumber } from "../draw/number_text.ts";
import { BLUE, css, VERMILION } from "../draw/palette.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, MONOSPACE, svgDocument } from "../draw/svg.ts";
import { isolated, shortToken, visibleToken } from "../draw/token_text.ts";
import { wrapped } from "../draw/text_lines.ts";
import type { Picture } from "../figure.ts";
import type { LogitColumn, LogitRows } from "./logit_rows.ts";

/** A table and how it is to be drawn. */
export interface LogitDrawing extends LogitRows {
  /** Text of each row's token. */
  readonly texts: readonly string[];
  /** Line above. */
  readonly title: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Width in pixels. */
  readonly width: number;
}

const ROW = 18;
const HEAD = 60;
/** Columns of methods; those that have no room go below. */
const COLUMN = { least: 104, most: 170, gap: 8 };
const TOKEN = { width: 116, characters: 16 };
const TEXT = { x: 4, y: 12.5 };
/** Place of a rank's change, from a column's right edge. */
const RANK = 4;
const CHARACTER = 6.8;
/** Places from which on it does not matter how many they are. */
const MANY = 100;

/** Draws the table. */
export async function drawLogits(drawing: LogitDrawing): Promise<Picture> {
  const { columns, title, facts, width } = drawing;
  const room = Math.max(COLUMN.least, width - TOKEN.width);
  const beside = Math.min(columns.length, Math.max(1, Math.floor(room / COLUMN.least)));
  const step = Math.min(COLUMN.most, Math.floor(room / beside));
  const blocks: string[] = [];
  const height = HEAD + drawing.ids.length * ROW + 10;
  for (let first = 0; first < columns.length; first += beside) {
    const own = columns.slice(first, first + beside);
    const y = blocks.length * height;
    blocks.push(element("g", { transform: `translate(0,${y})` }, block(drawing, own, step)));
  }
  const size = { width: TOKEN.width + beside * step, height: blocks.length * height, about: "" };
  const body = svgDocument(size, ...blocks);
  const said = ["bar: probability", ...facts];
  if (columns.length > 1) {
    said.push(`\u25b2\u25bc: places gained or lost against ${columns[0]!.method}`);
  }
  return { svg: await sheet({ title, body, facts: said, width }) };
}

/** Some methods beside each other, with the tokens at the left. */
function block(drawing: LogitDrawing, columns: readonly LogitColumn[], step: number): string {
  const { texts } = drawing;
  const names = texts.map((text, row) => {
    const shown = isolated(shortToken(text, TOKEN.characters));
    const at = { x: 0, y: HEAD + row * ROW + TEXT.y, "font-family": MONOSPACE };
    return titled(visibleToken(text), label(shown, at));
  });
  const drawn = columns.map((column, i) =>
    element(
      "g",
      { transform: `translate(${TOKEN.width + i * step},0)` },
      drawColumn(drawing, column, step - COLUMN.gap),
    )
  );
  return names.join("") + drawn.join("");
}

function drawColumn(drawing: LogitDrawing, column: LogitColumn, width: number): string {
  const cells = drawing.ids.map((_, row) => cell(drawing, column, row, width));
  return heading(drawing, column, width) + cells.join("");
}

/** The method, what it says next, and how far it is from the first one. */
function heading(
  { columns, ids, texts }: LogitDrawing,
  column: LogitColumn,
  width: number,
): string {
  const [reference] = columns;
  const { method, first, kl } = column;
  const most = Math.floor(width / CHARACTER);
  const isChanged = first !== reference!.first;
  const token = isolated(shortToken(texts[ids.indexOf(first)]!, Math.max(2, most - 3)));
  const sign = isChanged ? "\u2260 " : "= ";
  const colour = isChanged ? { fill: css(VERMILION), "font-weight": 600 } : {};
  const far = column === reference ? "compared with" : `KL ${klText(kl)} nats`;
  const says = column === reference ? token : sign + token;
  return titled(method, nameLines(method, most)) +
    label(says, { x: 0, y: 36, "font-family": MONOSPACE, ...colour }) +
    label(far, { x: 0, y: 50, opacity: 0.75 });
}

/** A name in two lines at most, the last of them at the same place. */
function nameLines(method: string, most: number): string {
  const [first = "", ...rest] = wrapped(method, most);
  const lines = rest.length === 0 ? [first] : [first, clipColumns(rest.join(" "), most)];
  return lines.map((line, i) =>
    label(line, { x: 0, y: 22 - 12 * (lines.length - 1 - i), "font-weight": 600 })
  ).join("");
}

function klText(kl: number): string {
  return kl === Infinity ? "\u221e" : shortNumber(kl);
}

/** Probability as bar and number, and the change of the rank. */
function cell(
  { columns, ids, texts }: LogitDrawing,
  column: LogitColumn,
  row: number,
  width: number,
): string {
  const [prob, rank] = [column.probs[row]!, column.ranks[row]!];
  const y = HEAD + row * ROW;
  const isFirst = ids[row] === column.first;
  const box = { x: 0, y: y + 1, height: ROW - 3 };
  const parts = [
    element("rect", { ...box, width, fill: "currentColor", "fill-opacity": 0.06 }),
    element("rect", { ...box, width: prob * width, fill: css(BLUE), "fill-opacity": 0.4 }),
    isFirst ? element("rect", { ...box, width, ...FRAME }) : "",
    label(percentText(prob), { x: TEXT.x, y: y + TEXT.y, "font-weight": isFirst ? 600 : 400 }),
    rankMark(rank, columns[0]!.ranks[row]!, width - RANK, y + TEXT.y),
  ];
  const about = `${column.method}\n${visibleToken(texts[row]!)}: ${
    percentText(prob)
  }, rank ${rank}`;
  return titled(about, parts.join(""));
}

const FRAME = { fill: "none", stroke: "currentColor", "stroke-width": 1.5 };

/** "#3", and the places that were gained or lost. */
function rankMark(rank: number, reference: number, x: number, y: number): string {
  const gained = reference - rank;
  const places = Math.abs(gained) < MANY ? Math.abs(gained) : "";
  const change = gained === 0 ? "" : ` ${gained > 0 ? "\u25b2" : "\u25bc"}${places}`;
  const looks = gained === 0 ? { opacity: 0.6 } : { fill: css(gained > 0 ? BLUE : VERMILION) };
  return label(`#${shortNumber(rank)}${change}`, { x, y, "text-anchor": "end", ...looks });
}

function titled(about: string, content: string): string {
  return element("g", {}, `<title>${escapeText(about)}</title>${content}`);
}
