import { Figure } from "./figure.ts";
import {
  type NeedleAnswer,
  type NeedleCell,
  type NeedlePanel,
  type NeedlePanels,
  needlePanels,
  sumOf,
} from "./needle/needle_cells.ts";
import { drawNeedles, shareOf } from "./needle/needle_picture.ts";
import { fromTo, grouped, percentText } from "./draw/number_text.ts";
import type { FigureOptions } from "./options.ts";
import type { PaletteName } from "./draw/palette.ts";
import { makeScale } from "./draw/scale.ts";
import { textMap } from "./draw/text_map.ts";

export type { NeedleAnswer, NeedleCell } from "./needle/needle_cells.ts";

/** Options of {@link needleGrid}. */
export interface NeedleGridOptions extends FigureOptions {
  /**
   * Colours, always from 0 to 100 % right.
   * @default "viridis"
   */
  readonly palette?: PaletteName;
}

/**
 * How often what is hidden in a text is found, by the text's length and the depth at which it is hidden: a grid for
 * each method. The number in a cell is the percentage that is right, its title has Wilson's 95 % interval; cells
 * nothing is known of are hatched. Takes counts, or the rows of an evaluation as they are: those are grouped here.
 *
 * @throws {RangeError} when there are none or a number is out of range
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const cells = [1024, 4096].map((length) => ({ length, depth: 0.5, right: 17, total: 20, method: "dense" }));
 * await plot.needleGrid(cells).svg();
 * ```
 */
export function needleGrid(
  rows: readonly NeedleCell[] | readonly NeedleAnswer[],
  options: NeedleGridOptions = {},
): Figure {
  const { title = "Right answers by length and depth", palette = "viridis", width = 640 } = options;
  const panels = needlePanels(rows);
  const facts = factsOf(panels);
  const lines = panels.panels.map((panel) => panelText(panel, panels));
  return new Figure({
    text: `${title}: ${facts.join("; ")}\n${lines.join("\n")}`,
    draw: (how) => drawNeedles({ ...panels, title, facts, palette, width: how.width ?? width }),
  });
}

function factsOf({ panels, placeless }: NeedlePanels): string[] {
  const tallies = panels.flatMap((panel) => panel.tallies);
  const totals = tallies.map(({ total }) => total).filter((total) => total > 0);
  const facts = [`${fromTo(Math.min(...totals), Math.max(...totals))} answers a cell`];
  if (totals.length < tallies.length) facts.push("hatched: not asked");
  if (placeless > 0) facts.push(`left out: ${grouped(placeless)} answers from several places`);
  return facts;
}

/** A panel in characters: its name and share, and its map. */
function panelText({ name, tallies }: NeedlePanel, { lengths, depths }: NeedlePanels): string {
  const values = tallies.map((tally) => tally.total === 0 ? NaN : shareOf(tally));
  const shape = { rows: depths.length, columns: lengths.length };
  const share = percentText(shareOf(sumOf(tallies)));
  return `${name || "all"}: ${share} right\n${
    textMap(values, shape, makeScale("linear", values, [0, 1]))
  }`;
}
