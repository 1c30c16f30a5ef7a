/** Grids of patterns as SVG. */
import { cellGrid, GRID_MARGIN, type GridCell, gridLeft } from "../draw/cell_grid.ts";
import { clipColumns } from "../draw/columns.ts";
import { escapeText } from "../draw/escape.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { placed, sizeOf } from "../draw/nest.ts";
import { grouped, percentText } from "../draw/number_text.ts";
import { NO_VALUE, parseColour, textOn } from "../draw/palette.ts";
import { pngUri } from "../draw/png.ts";
import { sheet } from "../draw/sheet.ts";
import { element, label, MONOSPACE, svgDocument } from "../draw/svg.ts";
import type { Picture } from "../figure.ts";
import { headAxis, headCellSize, layerAxis, wholeNumbers } from "../heads/head_axes.ts";
import type { PatternCells } from "./pattern_heads.ts";
import type { PatternKind } from "./pattern_kinds.ts";

/** Patterns and how they are to be drawn. */
export interface PatternDrawing {
  /** Pattern of every head. */
  readonly cells: PatternCells;
  /** The patterns. */
  readonly kinds: readonly PatternKind[];
  /** Line above. */
  readonly title: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Width in pixels. */
  readonly width: number;
}

/** Size of a cell. */
interface CellSize {
  readonly cellWidth: number;
  readonly cellHeight: number;
}

/** More cells than this are drawn as one picture. */
const MOST_CELLS = 600;
const LEAST_SHEET = 460;
/** Cells in which letters can be read, and those that have room for a share beside the letter. */
const READABLE = 7;
const ROOMY = { cellWidth: 40, cellHeight: 18 };
const LEGEND = { line: 20, box: 14, gap: 6, top: 8 };
const CHARACTER = 6.4;

/** Draws the grid and its legend. */
export async function drawPatterns(drawing: PatternDrawing): Promise<Picture> {
  const { cells, title, facts } = drawing;
  const width = Math.min(drawing.width, LEAST_SHEET);
  const size = headCellSize(cells, drawing.width);
  const isRaster = cells.layers * cells.heads > MOST_CELLS;
  const grid = isRaster ? await rasterGrid(drawing, size) : await titledGrid(drawing, size);
  const below = legend(drawing.kinds, Math.max(width, sizeOf(grid).width));
  const [top, bottom] = [sizeOf(grid), sizeOf(below)];
  const body = svgDocument(
    { width: Math.max(top.width, bottom.width), height: top.height + bottom.height, about: "" },
    placed(grid, 0, 0),
    placed(below, 0, top.height),
  );
  const svg = await sheet({ title, body, facts, width });
  return isRaster ? { svg, script: hoverOf(drawing) } : { svg };
}

function gridOf({ cells }: PatternDrawing, size: CellSize) {
  return { rows: layerAxis(cells), columns: headAxis(cells), ...size };
}

function titledGrid(drawing: PatternDrawing, size: CellSize): Promise<string> {
  const { cells: { heads, patterns, shares }, kinds } = drawing;
  const kindOf = new Map(kinds.map((kind) => [kind.name, kind]));
  const cells = patterns.map((pattern, i): GridCell => {
    const place = `layer ${Math.floor(i / heads)}, head ${i % heads}`;
    const kind = pattern === null ? undefined : kindOf.get(pattern);
    if (!kind) return { colour: null, title: `${place}\nno pattern` };
    const share = shares[i]!;
    const title = [place, ...linesOf(drawing, i)].join("\n");
    const cell = { colour: parseColour(kind.colour), title, text: textOf(kind, share, size) };
    return Number.isNaN(share) ? cell : { ...cell, bar: Math.min(1, share) };
  });
  return cellGrid({ ...gridOf(drawing, size), cells });
}

/** "V", and where there is room "V 12 %". */
function textOf({ letter }: PatternKind, share: number, size: CellSize): string {
  const isRoomy = size.cellWidth >= ROOMY.cellWidth && size.cellHeight >= ROOMY.cellHeight;
  return Number.isNaN(share) || !isRoomy ? letter : `${letter} ${(100 * share).toFixed(0)} %`;
}

/** What is known of a head. */
function linesOf({ cells: { patterns, shares, notes } }: PatternDrawing, i: number): string[] {
  const share = shares[i]!;
  return [
    patterns[i] ?? "no pattern",
    ...(Number.isNaN(share) ? [] : [`${percentText(share)} of the tiles`]),
    ...(notes[i] === "" ? [] : [notes[i]!]),
  ];
}

/** All cells as one picture, with the letters over it where they can be read. */
async function rasterGrid(drawing: PatternDrawing, size: CellSize): Promise<string> {
  const { cells: { layers, heads, patterns }, kinds } = drawing;
  const palette = new Uint8Array(4 * (NO_VALUE + 1));
  kinds.forEach(({ colour }, i) => palette.set([...parseColour(colour), 255], 4 * i));
  const places = new Map(kinds.map(({ name }, i) => [name, i]));
  const pixels = Uint8Array.from(
    patterns,
    (name) => name === null ? NO_VALUE : places.get(name)!,
  );
  const uri = await pngUri({ width: heads, height: layers, pixels, palette });
  const grid = await cellGrid({ ...gridOf(drawing, size), cells: { uri } });
  const { width, height } = sizeOf(grid);
  const letters = Math.min(size.cellWidth, size.cellHeight) >= READABLE
    ? lettersAndBars(drawing, size)
    : "";
  return svgDocument({ width, height, about: "" }, placed(grid, 0, 0), letters);
}

/** A cell of a large grid. */
interface Spot {
  readonly letter: string;
  readonly ink: string;
  readonly x: number;
  readonly y: number;
  readonly share: number;
}

/** The letters of each row as one text and all bars as one path, on dark and on bright colours apart. */
function lettersAndBars(drawing: PatternDrawing, size: CellSize): string {
  const spots = spotsOf(drawing, size);
  return [...Map.groupBy(spots, ({ ink }) => ink)].map(([ink, own]) => {
    const rows = [...Map.groupBy(own, ({ y }) => y).values()];
    const texts = rows.map((row) => lettersOf(row, size)).join("");
    return element("g", { fill: ink, "pointer-events": "none" }, texts + barsOf(own, size));
  }).join("");
}

function spotsOf({ cells, kinds }: PatternDrawing, { cellWidth, cellHeight }: CellSize): Spot[] {
  const kindOf = new Map(kinds.map((kind) => [kind.name, kind]));
  const left = gridLeft(layerAxis(cells));
  return cells.patterns.flatMap((pattern, i) => {
    const kind = pattern === null ? undefined : kindOf.get(pattern);
    if (!kind) return [];
    const x = left + (i % cells.heads) * cellWidth;
    const y = GRID_MARGIN.top + Math.floor(i / cells.heads) * cellHeight;
    const ink = textOn(parseColour(kind.colour));
    return [{ letter: kind.letter, ink, x, y, share: cells.shares[i]! }];
  });
}

/** The letters of a row, each at its place. */
function lettersOf(row: readonly Spot[], { cellWidth, cellHeight }: CellSize): string {
  return label(row.map(({ letter }) => letter).join(""), {
    x: row.map(({ x }) => x + Math.floor(cellWidth / 2)).join(" "),
    y: row[0]!.y + 0.45 * cellHeight,
    dy: "0.35em",
    "font-size": Math.min(9, 0.85 * cellHeight, cellWidth),
    "text-anchor": "middle",
  });
}

/** Bars at the lower edges of cells, as long as their tile shares. */
function barsOf(spots: readonly Spot[], { cellWidth, cellHeight }: CellSize): string {
  const thick = cellHeight >= 12 ? 2 : 1;
  const d = spots.filter(({ share }) => share > 0).map(({ x, y, share }) => {
    const length = Math.round(10 * Math.min(1, share) * (cellWidth - 1)) / 10;
    return `M${x},${y + cellHeight - thick}h${length}v${thick}h-${length}z`;
  });
  return d.length === 0 ? "" : element("path", { d: d.join("") });
}

/** Letter, colour, name and number of heads of each pattern. */
function legend(kinds: readonly PatternKind[], width: number): string {
  const lines = kinds.map(({ name, letter, colour, heads, mean }, i) => {
    const { line, box, gap, top } = LEGEND;
    const y = top + i * line;
    const share = Number.isNaN(mean) ? "" : `, on average ${percentText(mean)} of the tiles`;
    const facts = `: ${grouped(heads)} ${heads === 1 ? "head" : "heads"}${share}`;
    const room = Math.floor((width - box - gap) / CHARACTER) - facts.length;
    const text = clipColumns(name, Math.max(1, room)) + facts;
    const swatch = element("rect", { x: 0, y, width: box, height: box, fill: colour }) +
      label(letter, { ...LETTER, x: box / 2, y: y + 11, fill: textOn(parseColour(colour)) });
    return swatch + element(
      "g",
      {},
      `<title>${escapeText(name)}</title>${label(text, { x: box + gap, y: y + 11 })}`,
    );
  });
  return svgDocument(
    { width, height: LEGEND.top + lines.length * LEGEND.line + 4, about: "" },
    lines.join(""),
  );
}

const LETTER = { "text-anchor": "middle", "font-family": MONOSPACE };

function hoverOf(drawing: PatternDrawing): string {
  const { cells: { layers, heads, patterns, shares } } = drawing;
  return gridHover({
    rows: wholeNumbers(layers).map((layer) => `layer ${layer}`),
    columns: wholeNumbers(heads).map((head) => `head ${head}`),
    values: shares,
    measure: "tile share",
    notes: patterns.map((_, i) => linesOf(drawing, i).join("\n")),
  });
}
