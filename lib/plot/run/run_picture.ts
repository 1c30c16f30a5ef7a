/** Summaries of runs as SVG. */
import { chart } from "../draw/chart.ts";
import { clipColumns, textColumns } from "../draw/columns.ts";
import type { Picture } from "../figure.ts";
import { placed, sizeOf } from "../draw/nest.ts";
import { bytesText, grouped, msText, percentText, rateText } from "../draw/number_text.ts";
import { CATEGORIES, parseColour, textOn } from "../draw/palette.ts";
import { type RunMemory, type RunPhase, type RunReport, totalMs } from "./run_phases.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, svgDocument } from "../draw/svg.ts";

/** A run and how it is to be drawn. */
export interface RunDrawing {
  /** What is known of it. */
  readonly report: RunReport;
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

/** A phase as a piece of the bar. */
interface Piece extends RunPhase {
  readonly colour: string;
  readonly start: number;
  readonly end: number;
}

/** A share of something, as a bar. */
interface Share {
  readonly name: string;
  readonly share: number;
  readonly text: string;
}

const LINE = 18;
const BAR = { height: 60, top: 2, bottom: 32, left: 14, right: 14 };
/** Names in the table, and the bars beside those of shares. */
const NAME = { x: 30, least: 70, most: 200, bar: 110, bars: 60 };
/** Width of a character, in a wide font. */
const CHARACTER = 6.4;
/** Columns of the table and their widths. */
const COLUMNS = [
  { name: "time", width: 80 },
  { name: "share", width: 60 },
  { name: "tokens", width: 80 },
  { name: "speed", width: 110 },
];
/** Units of time and from how many milliseconds on each is used. */
const UNITS = [
  { name: "minutes", ms: 60_000, from: 180_000 },
  { name: "seconds", ms: 1000, from: 1000 },
  { name: "milliseconds", ms: 1, from: 0 },
];

/** Draws the summary. */
export async function drawRun({ report, title, width: wanted }: RunDrawing): Promise<Picture> {
  const pieces = piecesOf(report.phases);
  const shares = sharesOf(report);
  const width = Math.max(wanted, tableWidth(pieces), NAME.bar + NAME.bars + textRoom(shares));
  const parts = [await timeBar(pieces, width), phaseTable(pieces, width)];
  if (shares.length > 0) parts.push(await shareBars(shares, width));
  const heights = parts.map((part) => sizeOf(part).height);
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((sum, height) => sum + height, 0));
  const size = { width, height: tops.at(-1)! + heights.at(-1)!, about: "" };
  const body = svgDocument(size, ...parts.map((part, i) => placed(part, 0, tops[i]!)));
  return { svg: await sheet({ title, body, facts: [], width }) };
}

function piecesOf(phases: readonly RunPhase[]): Piece[] {
  let end = 0;
  return phases.map((phase, i) => {
    const start = end;
    end += phase.ms;
    return { ...phase, colour: CATEGORIES[i % CATEGORIES.length]!, start, end };
  });
}

/** The phases as pieces of one bar, named where there is room. */
function timeBar(pieces: readonly Piece[], width: number): Promise<string> {
  const total = totalMs(pieces);
  const unit = UNITS.find(({ from }) => total >= from)!;
  const room = width - BAR.left - BAR.right;
  const fits = ({ name, ms }: Piece) => textColumns(name) * CHARACTER + 6 <= room * ms / total;
  return chart((plot) => ({
    width,
    height: BAR.height,
    marginTop: BAR.top,
    marginLeft: BAR.left,
    marginRight: BAR.right,
    marginBottom: BAR.bottom,
    color: { type: "identity" },
    x: {
      domain: [0, total / unit.ms],
      ticks: 6,
      tickSize: 3,
      label: unit.name,
      labelAnchor: "center",
      labelArrow: "none",
    },
    marks: [
      plot.rectX(pieces, {
        x1: ({ start }: Piece) => start / unit.ms,
        x2: ({ end }: Piece) => end / unit.ms,
        fill: "colour",
        insetLeft: 0.5,
        insetRight: 0.5,
        title: (piece: Piece) =>
          `${piece.name}: ${msText(piece.ms)}, ${percentText(piece.ms / total)}`,
      }),
      plot.text(pieces.filter(fits), {
        x: ({ start, end }: Piece) => (start + end) / 2 / unit.ms,
        text: "name",
        fill: ({ colour }: Piece) => textOn(parseColour(colour)),
        pointerEvents: "none",
      }),
    ],
  }));
}

/** The phases as a table; each row's square has the colour of its piece. */
function phaseTable(pieces: readonly Piece[], width: number): string {
  const total = totalMs(pieces);
  const nameWidth = nameWidthOf(pieces);
  const heads = tableRow(COLUMNS.map(({ name }) => name), nameWidth, 16, 0.75);
  const rows = pieces.map((piece, i) => {
    const y = 16 + (i + 1) * LINE;
    const { name, ms, tokens, colour } = piece;
    const counted = tokens === undefined ? [] : [grouped(tokens), rateText(tokens, ms)];
    const shown = clipColumns(name, Math.floor(nameWidth / CHARACTER));
    return element("rect", { x: BAR.left, y: y - 9, width: 10, height: 10, fill: colour }) +
      label(shown, { x: NAME.x, y }) +
      tableRow([msText(ms), percentText(ms / total), ...counted], nameWidth, y);
  });
  const size = { width, height: 16 + pieces.length * LINE + 14, about: "" };
  return svgDocument(size, heads, ...rows);
}

function nameWidthOf(pieces: readonly Piece[]): number {
  const longest = Math.max(...pieces.map(({ name }) => textColumns(name))) * CHARACTER;
  return Math.max(NAME.least, Math.min(NAME.most, longest));
}

function tableWidth(pieces: readonly Piece[]): number {
  return COLUMNS.reduce((sum, { width }) => sum + width, NAME.x + nameWidthOf(pieces));
}

/** Pixels at the right of bars, for their texts. */
function textRoom(shares: readonly Share[]): number {
  return Math.max(0, ...shares.map(({ text }) => text.length)) * CHARACTER + 12;
}

/** Texts that end at the right ends of their columns. */
function tableRow(
  texts: readonly string[],
  nameWidth: number,
  y: number,
  opacity?: number,
): string {
  let x = NAME.x + nameWidth;
  return texts.map((text, column) => {
    x += COLUMNS[column]!.width;
    return label(text, { x, y, "text-anchor": "end", opacity });
  }).join("");
}

function sharesOf({ memory, counts }: RunReport): Share[] {
  const shares: Share[] = [];
  if (memory) shares.push(...memoryShares(memory));
  if (counts && counts.keys > 0) {
    for (const name of ["scanned", "attended"] as const) {
      const share = counts[name] / counts.keys;
      const text = `${percentText(share)} of ${grouped(counts.keys)} query-key pairs`;
      shares.push({ name, share, text });
    }
  }
  return shares;
}

function memoryShares({ kvBytes, residentBytes, tokens }: RunMemory): Share[] {
  const cached = tokens === undefined ? "" : `, ${grouped(tokens)} tokens`;
  const all = { name: "keys and values", share: 1, text: bytesText(kvBytes) + cached };
  if (residentBytes === undefined) return [all];
  const share = kvBytes > 0 ? residentBytes / kvBytes : 0;
  const text = `${bytesText(residentBytes)}, ${percentText(share)} of them`;
  return [all, { name: "fast tier", share, text }];
}

/** Shares as bars, each with its amounts. */
function shareBars(shares: readonly Share[], width: number): Promise<string> {
  const most = Math.max(1, ...shares.map(({ share }) => share));
  return chart((plot) => ({
    width,
    height: 6 + shares.length * LINE,
    marginTop: 2,
    marginBottom: 4,
    marginLeft: NAME.bar,
    marginRight: textRoom(shares),
    x: { domain: [0, most], axis: null },
    y: { domain: shares.map(({ name }) => name), label: null, tickSize: 0 },
    marks: [
      plot.barX(shares, { y: "name", x: most, fillOpacity: 0.12 }),
      plot.barX(shares, { y: "name", x: "share", fillOpacity: 0.6 }),
      plot.text(shares, {
        y: "name",
        text: "text",
        frameAnchor: "right",
        textAnchor: "start",
        dx: 8,
      }),
    ],
  }));
}
