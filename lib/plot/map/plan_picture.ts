/**
 * What a plan computes and misses, as a picture over an attention map. It is a raster, so that its size has a bound
 * however ragged the plan is.
 */
import { isFuture, type MapGrid } from "./map_grid.ts";
import type { Coverage } from "./plan_overlay.ts";
import { fadingBytes } from "../draw/palette.ts";
import { pngUri } from "../draw/png.ts";
import { rasterUri } from "../draw/raster.ts";
import { makeScale } from "../draw/scale.ts";

/** Pixels along the longer side, at least. */
const RESOLUTION = 1200;
/** Pixels of each of an outline's two colours, and of a rim. */
const LINE = 2;
const [LIGHT, DARK, MISSED] = [1, 2, 3];
/** Nothing, the outline's white and black, vermilion. */
const PALETTE = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 213, 94, 0, 255);

/** Cells that are painted pixel by pixel. */
interface Canvas {
  readonly rows: number;
  readonly columns: number;
  /** Pixels of a cell along a side. */
  readonly zoom: number;
  /** Palette entries, `[rows * zoom, columns * zoom]`. */
  readonly pixels: Uint8Array;
}

/** An outline around the computed cells if wanted, and stripes with a rim on the cells whose mass is missed. */
export function overlayUri(
  grid: MapGrid,
  { shares, hatched, look }: Pick<Coverage, "shares" | "hatched" | "look">,
): Promise<string> {
  const [rows, columns] = [grid.queries.bins, grid.keys.bins];
  const zoom = Math.ceil(RESOLUTION / Math.max(rows, columns));
  const pixels = new Uint8Array(rows * columns * zoom * zoom);
  const canvas = { rows, columns, zoom, pixels };
  const isComputed = (row: number, column: number) => shares[row * columns + column]! > 0;
  const isOpen = (row: number, column: number) =>
    !isComputed(row, column) && !isFuture(grid, row, column);
  if (look === "outline") {
    outline(canvas, isOpen, isComputed, 2 * LINE, DARK!);
    outline(canvas, isOpen, isComputed, LINE, LIGHT!);
  }
  const isMissed = (row: number, column: number) => hatched[row * columns + column] === 1;
  outline(canvas, (row, column) => !isMissed(row, column), isMissed, LINE, MISSED!);
  stripes(canvas, isMissed);
  return pngUri({ width: columns * zoom, height: rows * zoom, pixels, palette: PALETTE });
}

/** White over what is not computed, as much as of each cell is not; one pixel a cell. */
export function veilUri(grid: MapGrid, { shares }: Pick<Coverage, "shares">): Promise<string> {
  const [rows, columns] = [grid.queries.bins, grid.keys.bins];
  const open = shares.map((share, cell) =>
    isFuture(grid, Math.floor(cell / columns), cell % columns) ? NaN : 1 - share
  );
  const palette = { bytes: fadingBytes(WHITE) };
  return rasterUri(open, { rows, columns }, makeScale("linear", open, [0, 1]), palette);
}

const WHITE = [255, 255, 255] as const;

type Test = (row: number, column: number) => boolean;

/** Paints the sides of the cells that are outside along those that are inside. */
function outline(canvas: Canvas, isOut: Test, isIn: Test, depth: number, colour: number): void {
  const { rows, columns, zoom } = canvas;
  const thick = Math.min(depth, zoom);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!isOut(row, column)) continue;
      const [x, y] = [column * zoom, row * zoom];
      if (row > 0 && isIn(row - 1, column)) fill(canvas, x, y, zoom, thick, colour);
      if (row < rows - 1 && isIn(row + 1, column)) {
        fill(canvas, x, y + zoom - thick, zoom, thick, colour);
      }
      if (column > 0 && isIn(row, column - 1)) fill(canvas, x, y, thick, zoom, colour);
      if (column < columns - 1 && isIn(row, column + 1)) {
        fill(canvas, x + zoom - thick, y, thick, zoom, colour);
      }
    }
  }
}

function fill(
  { columns, zoom, pixels }: Canvas,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: number,
): void {
  for (let line = y; line < y + height; line++) {
    const start = line * columns * zoom + x;
    pixels.fill(colour, start, start + width);
  }
}

/** Rising lines over the cells; they go on from cell to cell. */
function stripes({ columns, zoom, pixels }: Canvas, isIn: Test): void {
  const width = columns * zoom;
  for (let pixel = 0; pixel < pixels.length; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    if ((x + y) % 12 >= 3 || !isIn(Math.floor(y / zoom), Math.floor(x / zoom))) continue;
    pixels[pixel] = MISSED!;
  }
}
