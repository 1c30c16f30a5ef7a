import { frame } from "./draw/frame.ts";
import { checkBundle } from "./draw/bundle.ts";
import type { Scale } from "./draw/scale.ts";

/** A picture that was drawn. */
export interface Picture {
  /** The whole picture as an SVG element, which shows without script. */
  readonly svg: string;
  /**
   * HTML that shows the same, with what SVG cannot do (`<details>`, text that wraps).
   * @default the SVG
   */
  readonly html?: string;
  /**
   * Body of a function of `root`, the figure's element, that adds interaction.
   * @default none
   */
  readonly script?: string;
}

/** What the colours of a figure stand for. Figures of one measure can be drawn with a shared range. */
export interface Ink {
  /** What is measured, such as "attention". */
  readonly measure: string;
  /** Values at the palette's ends. */
  readonly range: readonly [number, number];
}

/**
 * The ink of a scale. None for quantiles: they are of a figure's own values, and no range makes them mean the same
 * elsewhere.
 */
export function inkOf(measure: string, { name, range }: Scale): { readonly ink?: Ink } {
  return name === "quantile" ? {} : { ink: { measure, range } };
}

/** What a figure may be asked to do otherwise when it is drawn. */
export interface Redraw {
  /**
   * Values at the palette's ends.
   * @default the figure's own
   */
  readonly range?: readonly [number, number];
  /**
   * Width in CSS pixels.
   * @default the figure's own
   */
  readonly width?: number;
}

/** What a figure is made of. */
export interface FigureParts {
  /** One useful line, and perhaps a small map in characters. */
  readonly text: string;
  /**
   * What its colours stand for.
   * @default they are no amounts, or none that others share
   */
  readonly ink?: Ink;
  /** Draws the picture; called once, when it is first looked at. */
  readonly draw: (how: Redraw) => Picture | Promise<Picture>;
}

/** What Jupyter is given: a value for each media type. */
export type MediaBundle = Readonly<Record<string, string>>;

/**
 * A picture that shows itself in a notebook and can be saved. It is drawn when it is first looked at. Script adds
 * only interaction: the picture is complete without it, and needs no network.
 */
export class Figure {
  /** The figure in characters. */
  readonly text: string;
  /** What its colours stand for; `undefined` where they are no amounts that others share. */
  readonly ink: Ink | undefined;
  readonly #draw: (how: Redraw) => Picture | Promise<Picture>;
  #picture: Promise<Picture> | undefined;

  /** A figure of its parts. */
  constructor(parts: FigureParts) {
    this.text = parts.text;
    this.ink = parts.ink;
    this.#draw = parts.draw;
  }

  /** The same figure with another width or another range of its colours. */
  redrawn(how: Redraw): Figure {
    const { text, ink } = this;
    const parts = { text, draw: (later: Redraw) => this.#draw({ ...how, ...later }) };
    return new Figure(ink ? { ...parts, ink: { ...ink, range: how.range ?? ink.range } } : parts);
  }

  /** The parts of the drawn figure, for who puts it into a larger one. */
  picture(): Promise<Picture> {
    return this.#picture ??= Promise.resolve(this.#draw({}));
  }

  /** The figure as SVG text. */
  async svg(): Promise<string> {
    return (await this.picture()).svg;
  }

  /**
   * The figure as an HTML fragment that depends on nothing else.
   *
   * @param id of its root element; unique where absent
   */
  async html(id?: string): Promise<string> {
    return frame(await this.picture(), id);
  }

  /** The figure as PNG bytes, drawn by resvg at `zoom` pixels a unit on white. */
  async png(zoom = 2): Promise<Uint8Array> {
    const { Resvg } = await import("@resvg/resvg-js");
    // resvg knows the SVG 1.1 name only.
    const svg = (await this.svg()).replaceAll(
      'image-rendering="pixelated"',
      'image-rendering="optimizeSpeed"',
    );
    const picture = new Resvg(svg, {
      fitTo: { mode: "zoom", value: zoom },
      background: "white",
      font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans" },
    });
    return picture.render().asPng();
  }

  /**
   * Writes the figure as `.svg`, `.png` or `.html`, by the name's ending.
   *
   * @throws {RangeError} for another ending
   */
  async save(path: string): Promise<void> {
    const ending = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
    if (ending === "svg") await Deno.writeTextFile(path, await this.svg());
    else if (ending === "png") await Deno.writeFile(path, await this.png());
    else if (ending === "html") await Deno.writeTextFile(path, await this.#page());
    else {
      throw new RangeError(
        `Cannot save a figure as its name must end in .svg, .png or .html: current value is ${path}`,
      );
    }
  }

  /**
   * What Jupyter shows.
   *
   * @throws {RangeError} when it would be larger than 5 MB
   */
  async [Symbol.for("Jupyter.display")](): Promise<MediaBundle> {
    const bundle = {
      "text/plain": this.text,
      "image/svg+xml": await this.svg(),
      "text/html": await this.html(),
    };
    return checkBundle(bundle);
  }

  /** What a console shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.text;
  }

  /** The figure in characters. */
  toString(): string {
    return this.text;
  }

  async #page(): Promise<string> {
    return `<!doctype html>\n<meta charset="utf-8">\n<title>Longlens</title>\n${await this
      .html()}\n`;
  }
}
