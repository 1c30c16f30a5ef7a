/** Grids of heads as SVG. */
import { CELL_TEXT, cellGrid, type GridCell } from "../draw/cell_grid.ts";
import { clipColumns } from "../draw/columns.ts";
import type { Picture } from "../figure.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { headAxis, headCellSize, layerAxis, wholeNumbers } from "./head_axes.ts";
import type { HeadCells } from "./head_values.ts";
import { shortNumber } from "../draw/number_text.ts";
import { loadPalette, type Palette, type PaletteName } from "../draw/palette.ts";
import { rasterUri } from "../draw/raster.ts";
import { rangeOf, type Scale } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";

/** Heads and how they are to be drawn. */
export interface HeadDrawing {
  /** Their values. */
  readonly cells: HeadCells;
  /** From values to ink. */
  readonly scale: Scale;
  /** What the values are. */
  readonly label: string;
  /** What the second values are. */
  readonly sizeLabel: string;
  /** Line above. */
  readonly title: string;
  /** Lines below. */
  readonly facts: readonly string[];
  /** Colours. */
  readonly palette: PaletteName;
  /** Width in pixels. */
  readonly width: number;
}

/** More rows or columns than this are drawn as one picture. */
const MOST_CELLS = 32;
/** Width of a character in a cell, in a wide font. */
const CHARACTER = 0.64 * CELL_TEXT;
const LEAST_SHEET = 460;

/** Draws the grid. */
export async function drawHeads(drawing: HeadDrawing): Promise<Picture> {
  const { cells, scale, label, title, facts, width } = drawing;
  const palette = await loadPalette(drawing.palette);
  const isRaster = isOnePicture(cells);
  const size = headCellSize(cells, width);
  const body = await cellGrid({
    rows: layerAxis(cells),
    columns: headAxis(cells),
    ...size,
    cells: isRaster
      ? {
        uri: await rasterUri(
          cells.values,
          { rows: cells.layers, columns: cells.heads },
          scale,
          palette,
        ),
      }
      : cellsOf(drawing, palette, size),
  });
  const ink = { palette, scale, title: label };
  const svg = await sheet({ title, body, facts, width: Math.min(width, LEAST_SHEET), ink });
  return isRaster ? { svg, script: hoverOf(drawing) } : { svg };
}

/** Whether the cells are too many for circles and texts, which then show under the pointer only. */
export function isOnePicture({ layers, heads }: HeadCells): boolean {
  return Math.max(layers, heads) > MOST_CELLS;
}

function cellsOf(
  drawing: HeadDrawing,
  palette: Palette,
  { cellWidth, cellHeight }: { cellWidth: number; cellHeight: number },
): GridCell[] {
  const { cells, scale, label } = drawing;
  const { heads, values, sizes, glyphs } = cells;
  const largest = sizes ? rangeOf(sizes)[1] : 0;
  const most = Math.max(1, Math.floor(cellWidth / CHARACTER));
  const texts = glyphs?.map((glyph) => clipColumns(glyph, most)) ??
    printed(values, cellWidth, cellHeight);
  return Array.from(values, (value, i) => {
    const lines = [
      `layer ${Math.floor(i / heads)}, head ${i % heads}`,
      Number.isNaN(value) ? "no value" : `${label} ${shortNumber(value)}`,
      ...besideValue(drawing, i),
    ];
    const colour = Number.isNaN(value) ? null : palette.colour(scale.ink(value));
    const title = lines.join("\n");
    if (!colour) return { colour, title };
    if (glyphs || !sizes) return { colour, title, text: texts[i]! };
    const radius = Math.sqrt(sizes[i]! / largest) * (Math.min(cellWidth, cellHeight) / 2 - 2);
    return radius > 0 ? { colour, title, radius } : { colour, title };
  });
}

/** What is known of a head beside its value. */
function besideValue({ cells: { sizes, glyphs }, sizeLabel }: HeadDrawing, i: number): string[] {
  const [size, glyph] = [sizes?.[i] ?? NaN, glyphs?.[i] ?? ""];
  return [
    ...(Number.isNaN(size) ? [] : [`${sizeLabel} ${shortNumber(size)}`]),
    ...(glyph === "" ? [] : [glyph]),
  ];
}

/** The values with two decimals, or none of them where one does not fit its cell. */
function printed(values: Float64Array, cellWidth: number, cellHeight: number): string[] {
  const [low, high] = rangeOf(values);
  const largest = Math.max(-low, high);
  const decimals = largest < 10 ? 2 : 1;
  const texts = Array.from(
    values,
    (value) => largest < 100 ? value.toFixed(decimals) : shortNumber(value),
  );
  const longest = Math.max(...texts.map((text, i) => Number.isNaN(values[i]!) ? 0 : text.length));
  const fits = longest * CHARACTER <= cellWidth - 3 && cellHeight >= CELL_TEXT + 4;
  return fits ? texts : texts.map(() => "");
}

function hoverOf(drawing: HeadDrawing): string {
  const { layers, heads, values, sizes, glyphs } = drawing.cells;
  const notes = Array.from(values, (_, i) => besideValue(drawing, i).join("\n"));
  return gridHover({
    ...(sizes || glyphs ? { notes } : {}),
    rows: wholeNumbers(layers).map((layer) => `layer ${layer}`),
    columns: wholeNumbers(heads).map((head) => `head ${head}`),
    values,
    measure: drawing.label,
  });
}
