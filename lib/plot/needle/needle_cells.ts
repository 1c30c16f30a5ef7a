/** Right answers by length and depth, in whichever form they come. */

/** Answers at one length and depth. */
export interface NeedleCell {
  /** Tokens of the text. */
  readonly length: number;
  /** Where in the text the answer is, 0 to 1. */
  readonly depth: number;
  /** Right answers; partial ones count in part. */
  readonly right: number;
  /** Answers. */
  readonly total: number;
  /**
   * Method that answered; each gets a grid of its own.
   * @default none: there is one grid
   */
  readonly method?: string;
}

/** One answer, as an evaluation stores it. */
export interface NeedleAnswer {
  /** Tokens asked for; 0 where the texts have a length of their own. */
  readonly tokensAsked: number;
  /** Tokens of the text. */
  readonly tokens: number;
  /** Where in the text the answer is, 0 to 1; `null` for several places, which no cell can show. */
  readonly depth: number | null;
  /** How right it is, 0 to 1. */
  readonly score: number;
  /** Method that answered. */
  readonly method: string;
  /**
   * Its options, as JSON.
   * @default the same for all
   */
  readonly methodOptions?: string;
  /**
   * Name of the task.
   * @default the same for all
   */
  readonly task?: string;
  /**
   * Name of the model.
   * @default the same for all
   */
  readonly model?: string;
}

/** A cell of a panel. */
export interface Tally {
  /** Right answers. */
  right: number;
  /** Answers. */
  total: number;
}

/** One grid. */
export interface NeedlePanel {
  /** What its answers have in common that others have not; empty where there is one grid. */
  readonly name: string;
  /** Its cells, `[depths, lengths]`; a total of 0 where nothing was asked. */
  readonly tallies: readonly Tally[];
}

/** Grids that share their axes. */
export interface NeedlePanels {
  /** Lengths, rising. */
  readonly lengths: readonly number[];
  /** Depths, rising. */
  readonly depths: readonly number[];
  /** One grid a method, and a task and model where there are several. */
  readonly panels: readonly NeedlePanel[];
  /** Answers that no cell shows, as they come from several places. */
  readonly placeless: number;
}

/** A cell's part of the data. */
interface Entry extends NeedleCell {
  readonly panel: string;
}

/** More depths than this are put into tenths. */
const MOST_DEPTHS = 15;

/**
 * Groups cells or answers.
 *
 * @throws {RangeError} when there are none or a number is out of range
 */
export function needlePanels(rows: readonly NeedleCell[] | readonly NeedleAnswer[]): NeedlePanels {
  const entries = isAnswers(rows) ? entriesOfAnswers(rows) : entriesOfCells(rows as NeedleCell[]);
  entries.forEach(checkEntry);
  if (!entries.some(({ total }) => total > 0)) {
    throw new RangeError(
      "Cannot draw a grid as answers with a depth must be >= 1: current value is 0",
    );
  }
  const depthOf = depthRounding(entries);
  const lengths = sorted(entries.map(({ length }) => length));
  const depths = sorted(entries.map(({ depth }) => depthOf(depth)));
  const panels = [...Map.groupBy(entries, ({ panel }) => panel)].map(([name, own]) => {
    const tallies = Array.from(
      { length: depths.length * lengths.length },
      () => ({ right: 0, total: 0 }),
    );
    for (const { depth, length, right, total } of own) {
      const tally =
        tallies[depths.indexOf(depthOf(depth)) * lengths.length + lengths.indexOf(length)]!;
      tally.right += right;
      tally.total += total;
    }
    return { name, tallies };
  });
  return { lengths, depths, panels, placeless: rows.length - entries.length };
}

/** All answers of some cells. */
export function sumOf(tallies: readonly Tally[]): Tally {
  return {
    right: tallies.reduce((sum, { right }) => sum + right, 0),
    total: tallies.reduce((sum, { total }) => sum + total, 0),
  };
}

function isAnswers(
  rows: readonly NeedleCell[] | readonly NeedleAnswer[],
): rows is readonly NeedleAnswer[] {
  return rows.length > 0 && "score" in rows[0]!;
}

function entriesOfCells(cells: readonly NeedleCell[]): Entry[] {
  return cells.map((cell) => ({ ...cell, panel: cell.method ?? "" }));
}

function entriesOfAnswers(answers: readonly NeedleAnswer[]): Entry[] {
  const fields = tellingFields(answers);
  return answers.filter(({ depth }) => depth !== null).map((answer) => ({
    length: answer.tokensAsked || answer.tokens,
    depth: answer.depth!,
    right: answer.score,
    total: 1,
    panel: fields.map((field) => answer[field] ?? "").filter((text) => text !== "").join(", "),
  }));
}

/** What tells the panels apart: the method always, the rest where it differs and nothing before it says so. */
function tellingFields(answers: readonly NeedleAnswer[]): (keyof NeedleAnswer)[] {
  const different = (...fields: (keyof NeedleAnswer)[]) =>
    new Set(answers.map((answer) => JSON.stringify(fields.map((field) => answer[field])))).size;
  const fields: (keyof NeedleAnswer)[] = ["method"];
  if (different("method", "methodOptions") > different("method")) fields.push("methodOptions");
  if (different("task") > 1) fields.unshift("task");
  if (different("model") > 1) fields.unshift("model");
  return fields;
}

/** Few depths stay as they are; many become the middles of tenths. */
function depthRounding(entries: readonly Entry[]): (depth: number) => number {
  const different = new Set(entries.map(({ depth }) => depth)).size;
  if (different <= MOST_DEPTHS) return (depth) => depth;
  return (depth) => (Math.min(9, Math.floor(depth * 10)) + 0.5) / 10;
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function checkEntry({ length, depth, right, total }: Entry): void {
  checkNumber("length", length, 0, Infinity);
  checkNumber("depth", depth, 0, 1);
  checkNumber("total", total, 0, Infinity);
  checkNumber("right", right, 0, total);
}

function checkNumber(name: string, value: number, low: number, high: number): void {
  if (Number.isFinite(value) && value >= low && value <= high) return;
  const wanted = high === Infinity ? `a finite number >= ${low}` : `${low} .. ${high}`;
  throw new RangeError(
    `Cannot draw a grid as ${name} must be ${wanted}: current value is ${value}`,
  );
}
