/** The strip of a live view: attention of the last steps by position, what was retrieved, and the positions. */
import { inkScale } from "./live_ink.ts";
import type { PanelStrip } from "./live_panel.ts";
import { BLUE, type Colour, css, fadingBytes, VERMILION } from "../draw/palette.ts";
import { rasterUri } from "../draw/raster.ts";
import { rangeOf, type Scale } from "../draw/scale.ts";
import { element, label } from "../draw/svg.ts";
import { tokenTicks } from "../draw/token_axis.ts";
import { shortToken } from "../draw/token_text.ts";

/** A drawn strip. */
export interface StripPicture {
  /** SVG elements. */
  readonly markup: string;
  /** Height in pixels. */
  readonly height: number;
}

/** Pixels of the left column with names. */
const NAMES = 64;
/** Room at the right for half a number. */
const RIGHT = 16;
/** Height of all rows, and of one at least and at most. */
const ROWS = { all: 192, least: 2.5, most: 14 };
/** Rows of this height have names. */
const NAMED = 9;
const RUG = 8;
const GAP = 4;
const TICKS = 6;

/** Draws the strip so wide. */
export async function stripPicture(strip: PanelStrip, width: number): Promise<StripPicture> {
  const scale = inkScale(strip.most);
  const plot = width - NAMES - RIGHT;
  const row = Math.min(ROWS.most, Math.max(ROWS.least, ROWS.all / strip.rows.length));
  const rows = row * strip.rows.length;
  const x = (token: number) => NAMES + plot * token / spannedTokens(strip);
  const below = rows + (strip.retrieved ? GAP + RUG : 0);
  const parts = [
    box(x(0), 0, plot, rows),
    await image(strip.values, strip, scale, VERMILION, {
      x: NAMES,
      y: 0,
      width: plot,
      height: rows,
    }),
    names(strip, row),
    strip.retrieved ? await rug(strip, strip.retrieved, plot, rows + GAP) : "",
    answerLine(x(strip.first), below),
    ticks(strip, x, below),
  ];
  return { markup: parts.join(""), height: below + 20 };
}

/** Tokens that the bins would hold if the last one were full. */
function spannedTokens({ axis }: PanelStrip): number {
  return axis.bins * axis.binTokens;
}

function image(
  values: Float64Array,
  { axis }: PanelStrip,
  scale: Scale,
  colour: Colour,
  place: { x: number; y: number; width: number; height: number },
): Promise<string> {
  const shape = { rows: values.length / axis.bins, columns: axis.bins };
  return rasterUri(values, shape, scale, { bytes: fadingBytes(colour) }).then((href) =>
    element("image", {
      ...place,
      preserveAspectRatio: "none",
      "image-rendering": "pixelated",
      href,
    })
  );
}

function names({ rows }: PanelStrip, height: number): string {
  const named = height >= NAMED ? rows : [];
  const texts = named.map(({ text }, y) => name(shortToken(text, 9), (y + 0.5) * height + 3));
  if (named.length > 0) return texts.join("");
  const ends = [rows[0]!, rows.at(-1)!].map(({ index }) => `#${index}`);
  return name(ends[0]!, 9) + name(ends[1]!, rows.length * height);
}

function name(text: string, y: number): string {
  return label(text, { x: NAMES - 6, y, "text-anchor": "end", opacity: 0.8 });
}

async function rug(
  strip: PanelStrip,
  retrieved: Float64Array,
  width: number,
  y: number,
): Promise<string> {
  const place = { x: NAMES, y, width, height: RUG };
  return box(NAMES, y, width, RUG) + name("retrieved", y + RUG - 0.5) +
    await image(
      retrieved,
      strip,
      inkScale(rangeOf(retrieved)[1]),
      BLUE,
      place,
    );
}

function box(x: number, y: number, width: number, height: number): string {
  return element("rect", { x, y, width, height, fill: "currentColor", "fill-opacity": 0.06 });
}

/** Where the generated text begins. */
function answerLine(x: number, height: number): string {
  const looks = { stroke: css(BLUE), "stroke-dasharray": "3 2" };
  return element("line", { x1: x, x2: x, y1: 0, y2: height, ...looks });
}

function ticks({ axis }: PanelStrip, x: (token: number) => number, y: number): string {
  return tokenTicks(axis.tokens, TICKS).map(({ token, text }) =>
    element("line", { x1: x(token), x2: x(token), y1: y, y2: y + 4, stroke: "currentColor" }) +
    label(text, { x: x(token), y: y + 15, "text-anchor": "middle" })
  ).join("");
}
