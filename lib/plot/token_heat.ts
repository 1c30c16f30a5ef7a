import { Figure, inkOf, type Picture } from "./figure.ts";
import { heatHtml } from "./heat/heat_html.ts";
import { heatRuns } from "./heat/heat_runs.ts";
import { shades } from "./heat/heat_shade.ts";
import { heatSvg } from "./heat/heat_svg.ts";
import type { Heat, HeatRun, Metric } from "./heat/heat_types.ts";
import { grouped, shortNumber } from "./draw/number_text.ts";
import type { FigureOptions } from "./options.ts";
import { loadPalette, type PaletteName } from "./draw/palette.ts";
import { topSpans } from "./row/row_data.ts";
import { makeScale, rangeOf, type ScaleName } from "./draw/scale.ts";
import { shortToken } from "./draw/token_text.ts";

/** Scores of the tokens of a text: one for each token, `NaN` where there is none. */
export type TokenScores = ArrayLike<number>;

/** Options of {@link tokenHeat}. */
export interface TokenHeatOptions extends FigureOptions {
  /**
   * How scores are spread over the shades.
   * @default "sqrt"
   */
  readonly scale?: ScaleName;
  /**
   * Scores without and with all of the shade.
   * @default those of the data, of each kind of score its own
   */
  readonly range?: readonly [number, number];
  /**
   * Colours of the shades. Without one, a vermilion that lets the page through, for light and dark pages.
   * @default none
   */
  readonly palette?: PaletteName;
  /**
   * Tokens that are shown open, about; of longer texts the surroundings of the largest scores.
   * @default 600
   */
  readonly maxTokens?: number;
  /**
   * Tokens that are shown on each side of a large score.
   * @default 24
   */
  readonly window?: number;
}

/**
 * A text whose tokens are shaded by a score: the larger, the stronger the colour and the thicker the underline. With
 * several kinds of scores the reader chooses one. Runs of small scores in long texts are folded.
 *
 * @throws {TypeError} when there are not as many scores as tokens
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const tokens = ["The", " pass", " key", " is", " 7", "1"];
 * const figure = plot.tokenHeat(tokens, { attention: [0, 0.1, 0.2, 0, 0.5, 0.2] });
 * await figure.html();
 * ```
 */
export function tokenHeat(
  tokens: readonly string[],
  scores: TokenScores | Readonly<Record<string, TokenScores>>,
  options: TokenHeatOptions = {},
): Figure {
  const { maxTokens = 600, window = 24, width = 640 } = options;
  const kinds = Object.entries(isOneKind(scores) ? { score: scores } : scores);
  checkScores(kinds, tokens.length);
  const heatIn = (range = options.range): Heat => {
    const metrics = kinds.map(([name, values]) => metricOf(name, values, range, options.scale));
    const runs = heatRuns(tokens.length, metrics, { maxTokens, window });
    const title = options.title ?? `Tokens by ${kinds.length === 1 ? kinds[0]![0] : "score"}`;
    return { tokens, metrics, runs, title, facts: factsOf(tokens.length, metrics, runs) };
  };
  const heat = heatIn();
  const [first] = heat.metrics;
  return new Figure({
    text: textOf(heat),
    ...(kinds.length === 1 ? inkOf(first!.name, first!.scale) : {}),
    draw: (how) => drawHeat(heatIn(how.range), options.palette, how.width ?? width),
  });
}

async function drawHeat(
  heat: Heat,
  palette: PaletteName | undefined,
  width: number,
): Promise<Picture> {
  const looks = shades(palette && await loadPalette(palette));
  return {
    svg: await heatSvg(heat, looks, width),
    html: heatHtml(heat, { name: palette ?? "page", shades: looks }, width),
  };
}

function metricOf(
  name: string,
  values: TokenScores,
  range: readonly [number, number] = rangeOf(values),
  scale: ScaleName = "sqrt",
): Metric {
  return { name, values, scale: makeScale(scale, values, range) };
}

function factsOf(tokens: number, metrics: readonly Metric[], runs: readonly HeatRun[]): string[] {
  const open = runs.reduce((sum, run) => run.open ? sum + run.end - run.start : sum, 0);
  const shown = open === tokens ? "" : `, ${grouped(open)} shown around the largest scores`;
  return [
    `${grouped(tokens)} tokens${shown}`,
    ...metrics.map(({ name, scale: { range: [low, high], name: scale } }) =>
      `${name}: ${shortNumber(low)} .. ${shortNumber(high)} (${scale} scale)`
    ),
  ];
}

/** The facts and the tokens with the largest of the first scores. */
function textOf({ title, facts, tokens, metrics: [first] }: Heat): string {
  const largest = topSpans(first!.values, 5).map(({ start, end, sum }) =>
    `${shortToken(tokens.slice(start, end).join(""))} ${shortNumber(sum)}`
  );
  return `${title}: ${facts.join("; ")}\n${largest.join("  ")}`;
}

function isOneKind(
  scores: TokenScores | Readonly<Record<string, TokenScores>>,
): scores is TokenScores {
  return typeof scores.length === "number";
}

function checkScores(kinds: readonly [string, TokenScores][], tokens: number): void {
  if (kinds.length === 0) throw new TypeError("Cannot shade tokens as there are no scores");
  const wrong = kinds.find(([, values]) => values.length !== tokens);
  if (!wrong) return;
  const [name, values] = wrong;
  throw new TypeError(
    `Cannot shade tokens as ${name} must hold ${tokens} scores: current value is ${values.length}`,
  );
}
