/** Hatching, which says "no value". It is drawn line by line, so that it needs no id that a page might have twice. */

/** A rectangle in pixels. */
export interface Box {
  /** Left edge. */
  readonly x: number;
  /** Upper edge. */
  readonly y: number;
  /** Width. */
  readonly width: number;
  /** Height. */
  readonly height: number;
}

/** Pixels between two lines, along an edge. */
const STEP = 5;

/** Boxes filled with rising lines, as SVG. */
export function hatch(boxes: readonly Box[]): string {
  if (boxes.length === 0) return "";
  const lines = boxes.map(linesOf).join("");
  return `<path class="ll-missing" d="${lines}" stroke="currentColor" stroke-opacity="0.4" fill="none"/>`;
}

// The lines are x + y = s: a line enters the box at its left or lower edge and leaves it at its upper or right edge.
function linesOf({ x, y, width, height }: Box): string {
  const [right, bottom] = [x + width, y + height];
  let path = "";
  for (let s = STEP * Math.ceil((x + y + 1) / STEP); s < right + bottom; s += STEP) {
    const startX = Math.max(x, s - bottom);
    const endX = Math.min(right, s - y);
    path += `M${round(startX)},${round(s - startX)}L${round(endX)},${round(s - endX)}`;
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
