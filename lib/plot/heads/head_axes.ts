/** Axes and sizes of grids of heads: layers from top to bottom, heads from left to right. */
import { GRID_MARGIN, type GridAxis, gridLeft } from "../draw/cell_grid.ts";

/** Heads in layers. */
export interface HeadShape {
  /** Layers. */
  readonly layers: number;
  /** Heads a layer. */
  readonly heads: number;
}

const WIDEST = 44;
const HIGHEST = 26;
const LOWEST = 5;
const MOST_HEIGHT = 560;

/** Size of a cell in whole pixels, so that no seam shows between two cells. */
export function headCellSize(
  shape: HeadShape,
  width: number,
): { cellWidth: number; cellHeight: number } {
  const room = width - gridLeft(layerAxis(shape)) - GRID_MARGIN.right;
  const cellWidth = Math.max(2, Math.min(WIDEST, Math.floor(room / shape.heads)));
  const cellHeight = Math.floor(Math.min(HIGHEST, 0.7 * cellWidth + 4, MOST_HEIGHT / shape.layers));
  return { cellWidth, cellHeight: Math.max(LOWEST, cellHeight) };
}

/** The axis of the layers. */
export function layerAxis({ layers }: HeadShape): GridAxis {
  return { label: "layer", names: wholeNumbers(layers) };
}

/** The axis of the heads. */
export function headAxis({ heads }: HeadShape): GridAxis {
  return { label: "head", names: wholeNumbers(heads) };
}

/** The numbers from 0 up, as texts. */
export function wholeNumbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}
