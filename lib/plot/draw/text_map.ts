/** Matrices in characters, for where no picture can be shown. */
import { binAxis, poolMatrix } from "./bins.ts";
import type { Scale } from "./scale.ts";

const SHADES = ["\u00b7", "\u2591", "\u2592", "\u2593", "\u2588"];
const ROWS = 12;
const COLUMNS = 24;

/** A matrix as lines of shades, the largest value of each character; cells that are `NaN` are blank. */
export function textMap(
  values: ArrayLike<number>,
  shape: { readonly rows: number; readonly columns: number },
  scale: Scale,
): string {
  const [rows, columns] = [binAxis(shape.rows, ROWS), binAxis(shape.columns, COLUMNS)];
  const pooled = poolMatrix(values, rows, columns, "max");
  const lines = Array.from(
    { length: rows.bins },
    (_, row) =>
      Array.from(
        { length: columns.bins },
        (_, column) => shadeOf(scale.ink(pooled[row * columns.bins + column]!)),
      ).join("").trimEnd(),
  );
  return lines.join("\n");
}

function shadeOf(ink: number): string {
  return Number.isNaN(ink)
    ? " "
    : SHADES[Math.min(SHADES.length - 1, Math.floor(ink * SHADES.length))]!;
}
