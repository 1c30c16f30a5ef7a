import { Figure, type Picture } from "./figure.ts";
import { escapeText } from "./draw/escape.ts";
import { placed, sizeOf } from "./draw/nest.ts";
import type { FigureOptions } from "./options.ts";
import { svgDocument } from "./draw/svg.ts";
import { type TextLines, textLines } from "./draw/text_lines.ts";

/** Options of {@link compare}. */
export interface CompareFiguresOptions extends FigureOptions {
  /**
   * Line above all figures.
   * @default none
   */
  readonly title?: string;
  /**
   * Width of all columns together in CSS pixels.
   * @default 640 for one column, else 480 a column
   */
  readonly width?: number;
  /**
   * Line above each figure.
   * @default none: the figures have titles of their own
   */
  readonly titles?: readonly string[];
  /**
   * Figures beside each other; on a narrow screen they wrap.
   * @default 2
   */
  readonly columns?: number;
  /**
   * Whether colours of the same measure mean the same in all figures.
   * @default true
   */
  readonly shareRange?: boolean;
}

/** A figure that was drawn for its place. */
interface Item extends Picture {
  readonly title: string;
}

const GAP = 24;
const TITLE = { x: 0, y: 15, line: 22, size: 15, weight: 600 };
const ITEM = { y: 14, line: 18, size: 13, gap: 4 };
const COLUMN = 480;
/** Share of their width to which figures shrink before they wrap. */
const LEAST_SHARE = 0.7;

/**
 * Figures beside each other. Those whose colours stand for the same measure are drawn with one range, so that a colour
 * means the same in each of them.
 *
 * @throws {RangeError} when there are no figures or columns is out of range
 * @throws {TypeError} when there are not as many titles as figures
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const grid = (value: number) => plot.headGrid([{ layer: 0, head: 0, value }], { label: "sink score" });
 * await plot.compare([grid(0.2), grid(0.9)], { titles: ["before", "after"] }).svg();
 * ```
 */
export function compare(figures: readonly Figure[], options: CompareFiguresOptions = {}): Figure {
  const { title = "", titles = figures.map(() => ""), shareRange = true } = options;
  const { columns = Math.min(2, Math.max(1, figures.length)) } = options;
  checkFigures(figures, titles, columns);
  const { width = columns === 1 ? 640 : columns * COLUMN + (columns - 1) * GAP } = options;
  const shared = shareRange ? withSharedRanges(figures) : figures;
  const texts = shared.map(({ text }, i) => titles[i] ? `${titles[i]}\n${text}` : text);
  return new Figure({
    text: [...(title ? [title] : []), ...texts].join("\n\n"),
    draw: async (how) => {
      const columnWidth = Math.floor(((how.width ?? width) - (columns - 1) * GAP) / columns);
      const items = await Promise.all(shared.map(async (figure, i) => {
        const picture = await figure.redrawn({ width: columnWidth }).picture();
        return { ...picture, title: titles[i]! };
      }));
      return together(items, title, columns);
    },
  });
}

/** The figures with one range for each measure. */
function withSharedRanges(figures: readonly Figure[]): Figure[] {
  return figures.map((figure) => {
    if (!figure.ink) return figure;
    const ranges = figures.flatMap(({ ink }) =>
      ink && ink.measure === figure.ink!.measure ? [ink.range] : []
    );
    const low = Math.min(...ranges.map(([low]) => low));
    const high = Math.max(...ranges.map(([, high]) => high));
    return figure.redrawn({ range: [low, high] });
  });
}

function together(items: readonly Item[], title: string, columns: number): Picture {
  const scripts = items.map(({ script }, i) =>
    script
      ? `((root)=>{${script}})((root.querySelector(":scope>.ll-rich")??root).querySelectorAll(":scope>.ll-compare>.ll-item")[${i}]);`
      : ""
  );
  const script = scripts.join("");
  const picture = { svg: asSvg(items, title, columns), html: asHtml(items, title) };
  return script === "" ? picture : { ...picture, script };
}

/** All figures in one SVG, row by row. */
function asSvg(items: readonly Item[], title: string, columns: number): string {
  const sizes = items.map(({ svg }) => sizeOf(svg));
  const column = Math.max(...sizes.map(({ width }) => width));
  const width = Math.min(columns, items.length) * (column + GAP) - GAP;
  const top = title === "" ? NOTHING : textLines(title, { ...TITLE, width });
  const parts = [top.markup];
  let y = title === "" ? 0 : top.height + 4;
  for (let first = 0; first < items.length; first += columns) {
    const row = items.slice(first, first + columns);
    const heads = row.map(({ title }, i) => itemTitle(title, i * (column + GAP), y, column));
    const head = Math.max(...heads.map(({ height }) => height));
    row.forEach(({ svg }, i) => {
      parts.push(heads[i]!.markup, placed(svg, i * (column + GAP), y + head));
    });
    y += head + Math.max(...sizes.slice(first, first + columns).map(({ height }) => height)) + GAP;
  }
  return svgDocument({ width, height: y - GAP, about: title }, ...parts);
}

const NOTHING: TextLines = { markup: "", height: 0 };

function itemTitle(title: string, x: number, y: number, width: number): TextLines {
  if (title === "") return NOTHING;
  const { markup, height } = textLines(title, { ...ITEM, x, y: y + ITEM.y, width });
  return { markup, height: height + ITEM.gap };
}

/** Each figure as it is, in boxes that wrap. */
function asHtml(items: readonly Item[], title: string): string {
  const boxes = items.map(({ svg, html = svg, script, title }) => {
    const tip = script ? `<div class="ll-tip" role="status"></div>` : "";
    const { width } = sizeOf(svg);
    const style = `position:relative;min-width:0;max-width:${width}px;flex:1 1 ${
      Math.round(LEAST_SHARE * width)
    }px`;
    return `<div class="ll-item" style="${style}">${line(title, 13, 400)}${html}${tip}</div>`;
  });
  return `${line(title, 15, 600)}<div class="ll-compare" ` +
    `style="display:flex;flex-wrap:wrap;gap:${GAP}px;align-items:flex-start">${
      boxes.join("")
    }</div>`;
}

function line(text: string, size: number, weight: number): string {
  if (text === "") return "";
  return `<div style="font-size:${size}px;font-weight:${weight};margin-bottom:4px">${
    escapeText(text)
  }</div>`;
}

function checkFigures(
  figures: readonly Figure[],
  titles: readonly string[],
  columns: number,
): void {
  if (figures.length === 0) {
    throw new RangeError("Cannot compare as there must be >= 1 figures: current value is 0");
  }
  if (titles.length !== figures.length) {
    throw new TypeError(
      `Cannot compare as titles must hold ${figures.length} texts: current value is ${titles.length}`,
    );
  }
  if (!Number.isSafeInteger(columns) || columns < 1) {
    throw new RangeError(
      `Cannot compare as columns must be a whole number >= 1: current value is ${columns}`,
    );
  }
}
