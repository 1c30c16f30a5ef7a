/** Pictures below and beside each other. */
import { placed, sizeOf } from "./nest.ts";
import { svgDocument } from "./svg.ts";

/** Pictures below each other; a single one is that picture. */
export function stacked(parts: readonly string[], gap = 0): string {
  if (parts.length === 1) return parts[0]!;
  const sizes = parts.map(sizeOf);
  let y = 0;
  const shown = parts.map((part, i) => {
    const top = y;
    y += sizes[i]!.height + gap;
    return placed(part, 0, top);
  });
  const width = Math.max(...sizes.map(({ width }) => width));
  return svgDocument({ width, height: y - gap, about: "" }, ...shown);
}

/** Pictures beside each other, from the same top; a single one is that picture. */
export function beside(parts: readonly string[]): string {
  if (parts.length === 1) return parts[0]!;
  const sizes = parts.map(sizeOf);
  let x = 0;
  const shown = parts.map((part, i) => {
    const left = x;
    x += sizes[i]!.width;
    return placed(part, left, 0);
  });
  const height = Math.max(...sizes.map(({ height }) => height));
  return svgDocument({ width: x, height, about: "" }, ...shown);
}
