/** Keys, queries and their distances as SVG. */
import type { Picture } from "../figure.ts";
import { beside, stacked } from "../draw/arrange.ts";
import { placed, sizeOf } from "../draw/nest.ts";
import { sheet } from "../draw/sheet.ts";
import { label, svgDocument } from "../draw/svg.ts";
import { drawDistances } from "./distance_picture.ts";
import { drawPoints } from "./point_picture.ts";
import { type HeadShift, shiftName } from "./shift_data.ts";

/** Heads and how they are to be drawn. */
export interface ShiftDrawing {
  /** The heads. */
  readonly heads: readonly HeadShift[];
  /** Lines below. */
  readonly facts: readonly string[];
  /** Line above. */
  readonly title: string;
  /** Width in pixels. */
  readonly width: number;
}

const HEADING = { y: 13, height: 20 };
const ROW_GAP = 10;
/** Share of the width that the points take; below the least width, distances stand below them. */
const POINTS = { share: 0.44, least: 460 };
const MOST_POINTS = 1200;
const DISTANCES = [
  { name: "mahalanobis", title: "Mahalanobis distance\u00b2 / d to the keys" },
  { name: "nearest", title: "distance to the nearest key" },
] as const;

/** Keys and queries, each, that are drawn of so many heads: more would make the picture large. */
export function mostPoints(heads: number): number {
  return Math.floor(MOST_POINTS / heads);
}

/** Draws a row a head. */
export async function drawShifts({ heads, facts, title, width }: ShiftDrawing): Promise<Picture> {
  const most = mostPoints(heads.length);
  const rows = await Promise.all(heads.map((head) => drawHead(head, most, width)));
  const body = stacked(rows, ROW_GAP);
  return { svg: await sheet({ title, body, facts, width }) };
}

async function drawHead(shift: HeadShift, most: number, width: number): Promise<string> {
  const isWide = width >= POINTS.least;
  const left = isWide ? Math.round(POINTS.share * width) : width;
  const points = await drawPoints(shift, most, left);
  const rest = isWide ? width - left : width;
  const distances = await Promise.all(
    DISTANCES.map(({ name, title }) => drawDistances(shift[name], { title, width: rest })),
  );
  const column = stacked(distances);
  const panels = isWide ? beside([points, column]) : stacked([points, column]);
  const name = `${shiftName(shift)}, keys of KV head ${shift.kvHead}`;
  const { height } = sizeOf(panels);
  return svgDocument(
    { width, height: height + HEADING.height, about: "" },
    label(name, { x: 0, y: HEADING.y, "font-weight": 600 }),
    placed(panels, 0, HEADING.height),
  );
}
