/** Grids of coloured cells with axes, as SVG. */
import { chart, type ChartOptions, type Plot } from "./chart.ts";
import { hatch } from "./hatch.ts";
import { textColumns } from "./columns.ts";
import { type Colour, css, textOn } from "./palette.ts";
import { element } from "./svg.ts";

/** An axis of a grid. */
export interface GridAxis {
  /** What its rows or columns are; empty where another grid says it. */
  readonly label: string;
  /** Name of each row or column, perhaps empty. */
  readonly names: readonly string[];
}

/** A cell. */
export interface GridCell {
  /** Its colour; `null` for no value, which is hatched. */
  readonly colour: Colour | null;
  /** What the pointer tells. */
  readonly title: string;
  /**
   * What stands in it.
   * @default nothing
   */
  readonly text?: string;
  /**
   * Radius of a circle in it.
   * @default there is none
   */
  readonly radius?: number;
  /**
   * Share of its width that a bar at its lower edge takes.
   * @default there is none
   */
  readonly bar?: number;
}

/** A grid. */
export interface CellGrid {
  /** Axis at the left. */
  readonly rows: GridAxis;
  /** Axis below. */
  readonly columns: GridAxis;
  /** Width of a cell in whole pixels. */
  readonly cellWidth: number;
  /** Height of a cell in whole pixels. */
  readonly cellHeight: number;
  /** The cells, row by row; or all of them as one picture, through which hatching shows. */
  readonly cells: readonly GridCell[] | { readonly uri: string };
}

/** Size of the texts in the cells. */
export const CELL_TEXT = 9;
/** Width of a character of an axis, in a wide font. */
const CHARACTER = 6.2;
const LINE = 12;
/** Share of a cell's height that a bar takes. */
const BAR = 0.16;
/** Width of an axis' own label and the gap before its names. */
const AXIS_LABEL = 22;
const MARGIN = { top: 2, right: 8, bottom: 34 };

/** Pixels at the left of a grid. */
export function gridLeft({ names, label }: GridAxis): number {
  const longest = longestOf(names);
  return (longest > 0 ? Math.ceil(longest * CHARACTER) + 8 : 2) + (label ? AXIS_LABEL : 0);
}

function longestOf(names: readonly string[]): number {
  return Math.max(...names.map(textColumns));
}

/** Pixels above, beside and below a grid. */
export const GRID_MARGIN: Readonly<typeof MARGIN> = MARGIN;

/** Draws a grid. */
export function cellGrid(grid: CellGrid): Promise<string> {
  const { cells } = grid;
  if ("uri" in cells) {
    return chart(
      () => frame(grid),
      (svg) => svg.insertAdjacentHTML("beforeend", picture(grid, cells.uri)),
    );
  }
  const columns = grid.columns.names.length;
  const placed = cells.map((cell, i) => ({
    ...cell,
    row: Math.floor(i / columns),
    column: i % columns,
  }));
  const missing = placed.filter(({ colour }) => colour === null);
  const hatched = hatch(missing.map((cell) => boxOf(grid, cell)));
  const bars = placed.map((cell) => barOf(grid, cell)).join("");
  return chart(
    (plot) => ({ ...frame(grid), marks: marksOf(plot, placed) }),
    (svg) => svg.insertAdjacentHTML("beforeend", hatched + bars),
  );
}

/** A cell in its row and column. */
interface PlacedCell extends GridCell {
  readonly row: number;
  readonly column: number;
}

function marksOf(plot: Plot, cells: readonly PlacedCell[]): NonNullable<ChartOptions["marks"]> {
  const place = { x: "column", y: "row" };
  const inside = { ...place, fill: inkOf, pointerEvents: "none" } as const;
  return [
    plot.cell(cells, {
      ...place,
      inset: 0.5,
      fill: ({ colour }: GridCell) => colour ? css(colour) : "none",
      title: "title",
      pointerEvents: "all",
    }),
    plot.dot(cells.filter(({ radius }) => radius !== undefined), {
      ...inside,
      r: "radius",
      fillOpacity: 0.65,
    }),
    plot.text(cells.filter(({ text }) => text), { ...inside, text: "text", fontSize: CELL_TEXT }),
  ];
}

function inkOf({ colour }: GridCell): string {
  return colour ? textOn(colour) : "currentColor";
}

/** The chart without its cells. */
function frame({ rows, columns, cellWidth, cellHeight }: CellGrid): ChartOptions {
  const left = gridLeft(rows);
  return {
    width: left + columns.names.length * cellWidth + MARGIN.right,
    height: MARGIN.top + rows.names.length * cellHeight + MARGIN.bottom,
    marginLeft: left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    color: { type: "identity" },
    r: { type: "identity" },
    x: scaleOf(columns, longestOf(columns.names) * CHARACTER + 6, cellWidth),
    y: scaleOf(rows, LINE, cellHeight),
  };
}

/** A scale of which as many names are told as have room. */
function scaleOf(
  { names, label }: GridAxis,
  needed: number,
  cell: number,
): NonNullable<ChartOptions["x"]> {
  let step = 1;
  while (step * cell < needed) step *= 2;
  return {
    type: "band",
    padding: 0,
    domain: [...names.keys()],
    ticks: [...names.keys()].filter((i) => i % step === 0 && names[i] !== ""),
    tickFormat: (i: number) => names[i]!,
    tickSize: 3,
    label: label || null,
    labelArrow: "none",
    labelAnchor: "center",
  };
}

function boxOf(
  { rows, cellWidth, cellHeight }: CellGrid,
  { row, column }: { readonly row: number; readonly column: number },
) {
  return {
    x: gridLeft(rows) + column * cellWidth + 0.5,
    y: MARGIN.top + row * cellHeight + 0.5,
    width: cellWidth - 1,
    height: cellHeight - 1,
  };
}

/** A bar at the lower edge of a cell. */
function barOf(grid: CellGrid, cell: PlacedCell): string {
  if (!cell.bar) return "";
  const { x, y, width, height } = boxOf(grid, cell);
  const thick = Math.max(2, Math.round(height * BAR));
  const box = { x, y: y + height - thick, width: cell.bar * width, height: thick };
  return element("rect", { ...box, fill: inkOf(cell), "pointer-events": "none" });
}

/** The whole grid hatched, and the picture over it. */
function picture({ rows, columns, cellWidth, cellHeight }: CellGrid, uri: string): string {
  const box = {
    x: gridLeft(rows),
    y: MARGIN.top,
    width: columns.names.length * cellWidth,
    height: rows.names.length * cellHeight,
  };
  return hatch([box]) + element("image", {
    class: "ll-grid",
    ...box,
    preserveAspectRatio: "none",
    "image-rendering": "pixelated",
    href: uri,
  });
}
