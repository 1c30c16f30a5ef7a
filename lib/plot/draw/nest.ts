/** Pictures within pictures. */

/** Width and height in pixels. */
export interface Size {
  /** Width. */
  readonly width: number;
  /** Height. */
  readonly height: number;
}

/** Width and height of an SVG text, which must state them. */
export function sizeOf(svg: string): Size {
  const root = svg.slice(0, svg.indexOf(">") + 1);
  const [width, height] = ["width", "height"].map((name) =>
    Number(root.match(new RegExp(` ${name}="([\\d.]+)"`))?.[1])
  );
  if (width && height) return { width, height };
  throw new TypeError(`Cannot place a picture as its width and height must be stated: ${root}`);
}

/** An SVG as a group of a larger one: the page's style would resize a nested `<svg>`. */
export function placed(svg: string, x: number, y: number): string {
  const end = svg.indexOf(">");
  const attributes = svg.slice("<svg".length, end)
    .replace(/ (?:width|height|viewBox|xmlns(?::xlink)?)="[^"]*"/g, "");
  const content = svg.slice(end + 1, svg.lastIndexOf("</svg>"));
  return `<g${attributes} transform="translate(${x},${y})">${content}</g>`;
}
