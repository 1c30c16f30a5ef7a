/** Grids of right answers as SVG. */
import {
  CELL_TEXT,
  cellGrid,
  GRID_MARGIN,
  type GridAxis,
  type GridCell,
  gridLeft,
} from "../draw/cell_grid.ts";
import { clipColumns } from "../draw/columns.ts";
import type { Picture } from "../figure.ts";
import { type NeedlePanel, type NeedlePanels, sumOf, type Tally } from "./needle_cells.ts";
import { placed, sizeOf } from "../draw/nest.ts";
import { grouped, percentText } from "../draw/number_text.ts";
import { loadPalette, type Palette, type PaletteName } from "../draw/palette.ts";
import { makeScale, type Scale } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, svgDocument } from "../draw/svg.ts";
import { escapeText } from "../draw/escape.ts";
import { wilsonInterval } from "./wilson.ts";

/** Grids and how they are to be drawn. */
export interface NeedleDrawing extends NeedlePanels {
  /** Line above. */
  readonly title: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Colours. */
  readonly palette: PaletteName;
  /** Width in pixels. */
  readonly width: number;
}

/** Panels beside each other at most. */
const MOST_BESIDE = 3;
const CELL = { narrowest: 3.2 * 0.64 * CELL_TEXT, widest: 46, height: 20 };
/** The least width is that of the label of the lengths. */
const PANEL = { gap: 10, head: 32, character: 7, least: 140 };
const LEAST_SHEET = 460;

/** Draws the grids. */
export async function drawNeedles(drawing: NeedleDrawing): Promise<Picture> {
  const { title, facts, width, panels } = drawing;
  const palette = await loadPalette(drawing.palette);
  const scale = makeScale("linear", [], [0, 100]);
  const beside = columnsOf(drawing);
  const layout = { palette, scale, beside, cellWidth: cellWidth(drawing, beside) };
  const drawn = await Promise.all(panels.map((panel, i) => drawPanel(drawing, panel, i, layout)));
  const body = inRows(drawn, beside);
  const ink = { palette, scale, title: "right answers, %" };
  return { svg: await sheet({ title, body, facts, width: Math.min(width, LEAST_SHEET), ink }) };
}

/** What the panels share. */
interface Layout {
  readonly palette: Palette;
  readonly scale: Scale;
  readonly beside: number;
  readonly cellWidth: number;
}

/** Share of the answers that is right. */
export function shareOf({ right, total }: Tally): number {
  return right / total;
}

/** As many panels beside each other as leave room for the numbers and the labels. */
function columnsOf(drawing: NeedleDrawing): number {
  let columns = Math.min(MOST_BESIDE, drawing.panels.length);
  const least = Math.max(CELL.narrowest, PANEL.least / drawing.lengths.length);
  while (columns > 1 && cellWidth(drawing, columns) < least) columns--;
  return columns;
}

function cellWidth(drawing: NeedleDrawing, columns: number): number {
  const { width, lengths } = drawing;
  const axes = gridLeft(depthAxis(drawing, true)) +
    (columns - 1) * gridLeft(depthAxis(drawing, false));
  const room = width - axes - columns * GRID_MARGIN.right - (columns - 1) * PANEL.gap;
  const widest = Math.max(CELL.widest, Math.ceil(PANEL.least / lengths.length));
  return Math.max(4, Math.min(widest, Math.floor(room / columns / lengths.length)));
}

async function drawPanel(
  drawing: NeedleDrawing,
  panel: NeedlePanel,
  place: number,
  layout: Layout,
): Promise<string> {
  const rows = depthAxis(drawing, place % layout.beside === 0);
  const grid = await cellGrid({
    rows,
    columns: lengthAxis(drawing),
    cellWidth: layout.cellWidth,
    cellHeight: CELL.height,
    cells: panel.tallies.map((tally, i) => cellOf(drawing, tally, i, layout)),
  });
  return withHead(grid, panel, gridLeft(rows));
}

/** A panel's name and the share of all its answers, above its grid. */
function withHead(grid: string, { name, tallies }: NeedlePanel, left: number): string {
  const { width, height } = sizeOf(grid);
  const all = sumOf(tallies);
  const shown = clipColumns(name, Math.floor((width - left) / PANEL.character));
  const share = all.total === 0 ? "not asked" : shareLine(all);
  const head = name === "" ? 18 : PANEL.head;
  const bold = { x: left, y: 11, "font-size": 11, "font-weight": 600 };
  return svgDocument(
    { width, height: height + head, about: `${name} ${share}` },
    element("g", {}, `<title>${escapeText(name)}</title>` + label(shown, bold)),
    label(share, { x: left, y: head - 7, opacity: 0.75 }),
    placed(grid, 0, head),
  );
}

function cellOf(
  { lengths, depths }: NeedlePanels,
  tally: Tally,
  i: number,
  { palette, scale, cellWidth }: Layout,
): GridCell {
  const [length, depth] = [lengths[i % lengths.length]!, depths[Math.floor(i / lengths.length)]!];
  const place = `${grouped(length)} tokens, depth ${depthText(depth)}`;
  if (tally.total === 0) return { colour: null, title: `${place}\nnot asked` };
  const share = shareOf(tally);
  return {
    colour: palette.colour(scale.ink(100 * share)),
    title: `${place}\n${shareLine(tally)}`,
    text: cellWidth >= CELL.narrowest ? (100 * share).toFixed(0) : "",
  };
}

/** "85 % [64, 95] of 20". */
function shareLine(tally: Tally): string {
  const { low, high } = wilsonInterval(tally.right, tally.total);
  const interval = `[${(100 * low).toFixed(0)}, ${(100 * high).toFixed(0)}]`;
  return `${percentText(shareOf(tally))} ${interval} of ${grouped(tally.total)}`;
}

/** The axis of depths, of which only the first panel of a row tells the names. */
function depthAxis({ depths }: NeedlePanels, isTold: boolean): GridAxis {
  return {
    label: isTold ? "depth" : "",
    names: depths.map((depth) => isTold ? depthText(depth) : ""),
  };
}

function depthText(depth: number): string {
  return `${Number((100 * depth).toFixed(1))} %`;
}

/** Lengths in units of 1,024 tokens where all are whole ones. */
function lengthAxis({ lengths }: NeedlePanels): GridAxis {
  const areUnits = lengths.every((length) => length % 1024 === 0);
  return areUnits
    ? { label: "length (1K = 1,024 tokens)", names: lengths.map((length) => `${length / 1024}K`) }
    : { label: "length (tokens)", names: lengths.map(grouped) };
}

/** Panels in rows of `columns`. */
function inRows(panels: readonly string[], columns: number): string {
  const high = Math.max(...panels.map((panel) => sizeOf(panel).height)) + 4;
  let [x, width] = [0, 0];
  const content = panels.map((panel, i) => {
    if (i % columns === 0) x = 0;
    const at = x;
    x += sizeOf(panel).width + PANEL.gap;
    width = Math.max(width, x - PANEL.gap);
    return placed(panel, at, Math.floor(i / columns) * high);
  });
  const height = Math.ceil(panels.length / columns) * high;
  return svgDocument({ width, height, about: "" }, ...content);
}
