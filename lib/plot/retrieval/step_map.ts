/** Maps of steps by positions: a picture with a pixel for each bin and row, within its axes. */
import type { BinAxis } from "../draw/bins.ts";
import { chart, type ChartOptions, type Plot } from "../draw/chart.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { element } from "../draw/svg.ts";
import { rangeText } from "../draw/token_axis.ts";
import { visibleToken } from "../draw/token_text.ts";
import { positionScale, rowHeight, tokenScale } from "./step_axes.ts";
import type { StepRow } from "./step_rows.ts";

/** A map and how it is to be drawn. */
export interface StepMap {
  /** Positions in the text. */
  readonly axis: BinAxis;
  /** Rows from the first step to the last. */
  readonly rows: readonly StepRow[];
  /** The picture, `[rows, bins]`, as a data URI. */
  readonly uri: string;
  /** Width of the picture. */
  readonly wide: number;
  /** Room to its right. */
  readonly right: number;
  /**
   * What is drawn over the picture.
   * @default nothing
   */
  readonly marks?: (plot: Plot) => NonNullable<ChartOptions["marks"]>;
  /**
   * Markup over all.
   * @default none
   */
  readonly markup?: string;
}

/** Room about a map, but to its right. */
export const MAP_MARGIN = { left: 84, top: 18, bottom: 34 } as const;
/** A narrower map would show nothing. */
const LEAST_MAP = 120;

/** Width that a map has beside its tokens and what is to its right. */
export function mapWidth(width: number, right: number): number {
  return Math.max(LEAST_MAP, width - MAP_MARGIN.left - right);
}

/** Draws a map. */
export function drawStepMap(map: StepMap): Promise<string> {
  const { axis, rows, wide, right, marks = () => [], markup = "" } = map;
  const { left, top, bottom } = MAP_MARGIN;
  return chart((plot) => ({
    width: left + wide + right,
    height: top + rows.length * rowHeight(rows) + bottom,
    marginLeft: left,
    marginRight: right,
    marginTop: top,
    marginBottom: bottom,
    x: positionScale(axis, wide),
    y: tokenScale(rows),
    marks: [
      plot.text(["token"], { frameAnchor: "top-left", textAnchor: "end", dx: -7, dy: -14 }),
      ...marks(plot),
    ],
  }), (svg) => {
    svg.insertAdjacentHTML("afterbegin", imageOf(map));
    svg.insertAdjacentHTML("beforeend", markup);
  });
}

function imageOf({ axis, rows, wide, uri }: StepMap): string {
  return element("image", {
    class: "ll-grid",
    x: MAP_MARGIN.left,
    y: MAP_MARGIN.top,
    width: wide,
    height: rows.length * rowHeight(rows),
    preserveAspectRatio: "none",
    // Where bins are narrower than a pixel, "pixelated" would leave some out.
    "image-rendering": wide >= axis.bins ? "pixelated" : undefined,
    href: uri,
  });
}

/** Keys retrieved in each bin, `[rows, bins]`; `NaN` behind the last key. */
export function retrievedValues(axis: BinAxis, rows: readonly StepRow[]): Float64Array {
  return Float64Array.from(
    rows.flatMap(({ retrieved, keys }) =>
      Array.from(retrieved, (count, bin) => axis.firstOf(bin) < keys ? count : NaN)
    ),
  );
}

/** The steps of a row and their tokens. */
export function stepsText({ steps: [first, last], tokens }: StepRow): string {
  const steps = first === last ? `step ${first}` : `steps ${first} .. ${last}`;
  return `${steps} ${tokens.map(visibleToken).join("")}`;
}

/** Script that tells the row, the positions and the retrieved keys under the pointer. */
export function mapHover(axis: BinAxis, rows: readonly string[], values: Float64Array): string {
  const columns = Array.from(
    { length: axis.bins },
    (_, bin) => `position ${rangeText(axis.firstOf(bin), axis.firstOf(bin + 1) - 1)}`,
  );
  return gridHover({ rows, columns, values, measure: "keys retrieved:" });
}
