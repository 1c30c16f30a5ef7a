/** SVG as text. */
import { escapeText } from "./escape.ts";

/** A font of equal widths; resvg knows no generic one. */
export const MONOSPACE = "ui-monospace,DejaVu Sans Mono,monospace";

/** Attributes of an element; those that are `undefined` are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; `content` is markup. Values are escaped, numbers rounded to hundredths. */
export function element(name: string, attributes: Attributes, content = ""): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${valueText(value!)}"`)
    .join("");
  return content === "" ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** A line of text, by default with its start at `x` and its baseline at `y`. */
export function label(text: string, attributes: Attributes): string {
  return element("text", { "text-anchor": "start", ...attributes }, escapeText(text));
}

/** A picture's size and what it shows, for who cannot see it. */
export interface DocumentParts {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** What it shows. */
  readonly about: string;
}

/** A whole picture; `content` is markup. */
export function svgDocument({ width, height, about }: DocumentParts, ...content: string[]): string {
  return element("svg", {
    class: "ll-chart",
    xmlns: "http://www.w3.org/2000/svg",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    role: "img",
    "aria-label": about,
    fill: "currentColor",
    "font-family": "system-ui,sans-serif",
    "font-size": 10,
    width: Math.ceil(width),
    height: Math.ceil(height),
    viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
  }, content.join(""));
}

function valueText(value: string | number): string {
  return typeof value === "number" ? String(Math.round(100 * value) / 100) : escapeText(value);
}
