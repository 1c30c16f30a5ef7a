import { grouped, percentText } from "./draw/number_text.ts";
import { Figure } from "./figure.ts";
import type { FigureOptions } from "./options.ts";
import {
  type PatternCells,
  patternCells,
  type PatternFile,
  type PatternHead,
  type PatternLayer,
} from "./pattern/pattern_heads.ts";
import { type PatternKind, patternKinds } from "./pattern/pattern_kinds.ts";
import { drawPatterns } from "./pattern/pattern_picture.ts";

export type { PatternFile, PatternHead, PatternLayer } from "./pattern/pattern_heads.ts";

/** Rows and columns that the text shows at most. */
const MOST_TEXT = 64;

/**
 * Which pattern does each head have, and what does it cost? Layers from top to bottom, heads from left to right; patterns
 * by colour and letter, tile shares by a bar, heads without a pattern hatched. Takes rows, a head file, or one plan per
 * head of each layer.
 *
 * @throws {RangeError} when there are no heads, one occurs twice, there are too many patterns, or a number is out of range
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * await plot.patternGrid([
 *   { layer: 0, head: 0, pattern: "A-shape", tileShare: 0.12 },
 *   { layer: 0, head: 1, pattern: "vertical-slash", tileShare: 0.2, note: "vertical 30, slash 800" },
 * ]).svg();
 * ```
 */
export function patternGrid(
  data: readonly PatternHead[] | PatternFile | readonly PatternLayer[],
  options: FigureOptions = {},
): Figure {
  const cells = patternCells(data);
  const kinds = patternKinds(cells);
  const { width = 640, title = `Patterns of ${cells.layers} x ${cells.heads} heads` } = options;
  const facts = factsOf(cells);
  const counts = kinds.map(({ letter, name, heads }) => `${letter} ${name} ${grouped(heads)}`);
  return new Figure({
    text: `${title}: ${[...counts, ...facts].join("; ")}${letterMap(cells, kinds)}`,
    draw: (how) => drawPatterns({ cells, kinds, title, facts, width: how.width ?? width }),
  });
}

function factsOf({ patterns, shares }: PatternCells): string[] {
  const known = shares.filter((share) => !Number.isNaN(share));
  const missing = patterns.filter((pattern) => pattern === null).length;
  const mean = known.reduce((sum, share) => sum + share, 0) / known.length;
  return [
    ...(known.length > 0 ? [`bar: tile share, on average ${percentText(mean)}`] : []),
    ...(missing > 0
      ? [`hatched: ${grouped(missing)} of ${grouped(patterns.length)} without a pattern`]
      : []),
  ];
}

/** A letter for each head, where they are not too many. */
function letterMap({ layers, heads, patterns }: PatternCells, kinds: readonly PatternKind[]) {
  if (Math.max(layers, heads) > MOST_TEXT) return "";
  const letters = new Map(kinds.map(({ name, letter }) => [name, letter]));
  const lines = Array.from(
    { length: layers },
    (_, layer) =>
      patterns.slice(layer * heads, (layer + 1) * heads)
        .map((pattern) => letters.get(pattern ?? "") ?? "\u00b7").join(""),
  );
  return `\n${lines.join("\n")}`;
}
