/** Matrices as pictures: one pixel a cell. */
import { levelOf, type Palette } from "./palette.ts";
import { pngUri } from "./png.ts";
import type { Scale } from "./scale.ts";

/** A matrix as a PNG data URI, one pixel a cell, row 0 on top; cells that are `NaN` stay transparent. */
export function rasterUri(
  values: ArrayLike<number>,
  shape: { readonly rows: number; readonly columns: number },
  scale: Scale,
  palette: Pick<Palette, "bytes">,
): Promise<string> {
  const pixels = new Uint8Array(shape.rows * shape.columns);
  for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = levelOf(scale.ink(values[cell]!));
  return pngUri({ width: shape.columns, height: shape.rows, pixels, palette: palette.bytes });
}
