/** The sheet that a chart stands on: title above, facts and colours below. */
import { caption } from "./caption.ts";
import { COLOUR_BAR_HEIGHT, colourBar } from "./colour_bar.ts";
import { placed, sizeOf } from "./nest.ts";
import type { Palette } from "./palette.ts";
import type { Scale } from "./scale.ts";
import { svgDocument } from "./svg.ts";
import { textLines } from "./text_lines.ts";

/** What stands on a sheet. */
export interface Sheet {
  /** Line above the chart; wrapped where it is long. */
  readonly title: string;
  /** The chart, an SVG text. */
  readonly body: string;
  /** What is said below it. */
  readonly facts: readonly string[];
  /** Width of the sheet; a wider body widens it. */
  readonly width: number;
  /**
   * What the chart's colours mean.
   * @default nothing: there is no colour bar
   */
  readonly ink?: { readonly palette: Palette; readonly scale: Scale; readonly title: string };
}

const TITLE = { x: 0, y: 13, line: 18, size: 13, weight: 600 };
const BAR_WIDTH = 190;
const GAP = 24;

/** A sheet as SVG text. */
export async function sheet({ title, body, facts, width: least, ink }: Sheet): Promise<string> {
  const size = sizeOf(body);
  const width = Math.max(least, size.width, ink ? BAR_WIDTH + 16 : 0);
  const head = textLines(title, { ...TITLE, width });
  const top = head.height + 4;
  const bottom = top + size.height + 6;
  const beside = ink !== undefined && width >= 2 * BAR_WIDTH + GAP;
  const bar = { x: width - BAR_WIDTH - 8, y: bottom, width: BAR_WIDTH, title: ink?.title ?? "" };
  const factTop = ink && !beside ? bottom + COLOUR_BAR_HEIGHT : bottom;
  const factWidth = beside ? bar.x - GAP : width;
  const said = caption(facts, { x: 0, y: factTop, width: factWidth });
  const end = Math.max(factTop + said.height, ink ? bottom + COLOUR_BAR_HEIGHT : 0);
  return svgDocument(
    { width, height: end + 4, about: `${title}: ${facts.join("; ")}` },
    head.markup,
    placed(body, 0, top),
    ink ? await colourBar(ink.palette, ink.scale, bar) : "",
    said.markup,
  );
}
