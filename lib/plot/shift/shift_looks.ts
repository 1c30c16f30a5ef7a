/** How keys and queries differ: in colour, and in shape. */
import { BLUE, css, VERMILION } from "../draw/palette.ts";
import { element } from "../draw/svg.ts";

/** How keys and queries look. */
export const LOOKS = {
  keys: { colour: css(BLUE), symbol: "circle" },
  queries: { colour: css(VERMILION), symbol: "triangle" },
} as const;

/** A circle for keys, a triangle for queries, about a point. */
export function symbolMark(kind: keyof typeof LOOKS, x: number, y: number): string {
  const fill = LOOKS[kind].colour;
  return kind === "keys"
    ? element("circle", { cx: x, cy: y, r: 3.5, fill })
    : element("path", { d: `M${x},${y - 4.5}L${x + 4.2},${y + 3}L${x - 4.2},${y + 3}Z`, fill });
}

/** Radius of a point, and its opacity. */
const POINT = { radius: 1.7, opacity: 0.55 };

/** Many points as one path: an element each would make a large picture. */
export function pointMarks(
  kind: keyof typeof LOOKS,
  points: readonly (readonly [x: number, y: number])[],
): string {
  const colour = LOOKS[kind].colour;
  const d = points.map(([x, y]) => `M${x.toFixed(1)},${y.toFixed(1)}${SHAPES[kind]}`).join("");
  const common = { class: `ll-${kind}`, d, "pointer-events": "none" };
  if (kind === "queries") {
    return element("path", { ...common, fill: colour, "fill-opacity": POINT.opacity });
  }
  const stroke = {
    stroke: colour,
    "stroke-opacity": POINT.opacity,
    "stroke-width": 2 * POINT.radius,
  };
  return element("path", { ...common, ...stroke, "stroke-linecap": "round" });
}

/** A dot, by the round ends of a line of no length, and a triangle about its middle. */
const SHAPES = { keys: "h0", queries: "m0,-2.3l2.1,3.6h-4.2z" } as const;
