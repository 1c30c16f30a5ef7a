import { makeScale, rangeOf } from "./draw/scale.ts";
import { Figure, inkOf } from "./figure.ts";
import {
  type AttentionMatrix,
  isFuture,
  type MapGrid,
  mapGrid,
  massShare,
  type PooledAttention,
} from "./map/map_grid.ts";
import { drawMap, type MapDrawing } from "./map/map_picture.ts";
import { coverageOf, type PlanOverlay } from "./map/plan_overlay.ts";
import { grouped, percentText, shortNumber } from "./draw/number_text.ts";
import { checkTokens, type InkOptions } from "./options.ts";
import { textMap } from "./draw/text_map.ts";
import { binText } from "./draw/token_axis.ts";

/** Options of {@link attentionMap}. */
export interface AttentionMapOptions extends InkOptions {
  /**
   * What a cell's colour is: "max" the largest single weight, so that thin stripes survive; "mean" the mean over its
   * queries of the mass on its keys.
   * @default "max"
   */
  readonly pool?: "max" | "mean";
  /**
   * Rows and columns that a matrix is drawn with at most; a pooled map keeps its own.
   * @default 512
   */
  readonly bins?: number;
  /**
   * Text of each key token, for labels (up to 64 tokens) and for what shows under the pointer.
   * @default none
   */
  readonly tokens?: readonly string[];
  /**
   * Leaves the first column, where sinks are, out of the colours and of both strips, and says so.
   * @default false
   */
  readonly excludeSink?: boolean;
  /**
   * What a sparse plan computes, to be outlined; mass that it misses is hatched.
   * @default none
   */
  readonly plan?: PlanOverlay;
  /**
   * How the attention was computed, for the caption.
   * @default "dense" for a pooled map, nothing for a matrix
   */
  readonly method?: string;
}

/**
 * Where one head looks: queries from top to bottom, keys from left to right. Above it the mean weight that each key
 * receives, at its right over how many keys (or bins) each query spreads: the exponential of its entropy. Under the
 * pointer: positions, tokens, weight; a click keeps a row and lists its largest cells.
 *
 * @throws {TypeError} when the numbers or the tokens do not fill the map
 * @throws {RangeError} when a query attends to a key behind it
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const values = Float32Array.of(1, 0, 0, 0.6, 0.4, 0, 0.5, 0.2, 0.3);
 * const figure = plot.attentionMap({ rows: 3, columns: 3, values }, { tokens: ["The", " pass", " key"] });
 * await figure.svg();
 * ```
 */
export function attentionMap(
  data: PooledAttention | AttentionMatrix,
  options: AttentionMapOptions = {},
): Figure {
  const { pool = "max", bins = 512, scale: scaleName = "sqrt", palette = "viridis" } = options;
  const { excludeSink = false, width = 640, plan, tokens } = options;
  const grid = mapGrid(data, bins);
  checkTokens("attention", tokens, grid.keys.tokens);
  const values = shownValues(grid, pool, excludeSink);
  const scaleOf = (range = options.range) => makeScale(scaleName, values, range);
  const scale = scaleOf();
  const coverage = plan && coverageOf(grid, plan);
  const method = options.method ?? ("values" in data ? "" : "dense");
  const drawing: MapDrawing = {
    grid,
    values,
    scale,
    coverage,
    leftOut: excludeSink ? 1 : 0,
    pool,
    title: options.title ?? grid.title,
    facts: [...factsOf(grid, values, { method, excludeSink, pool }), ...(coverage?.facts ?? [])],
    width,
    palette,
    tokens,
  };
  return new Figure({
    text: textOf(drawing),
    ...inkOf(`attention, ${pool}`, scale),
    draw: (how) => drawMap({ ...drawing, width: how.width ?? width, scale: scaleOf(how.range) }),
  });
}

/** The values that get colours: `NaN` behind the query and where the sink is left out. */
function shownValues(grid: MapGrid, pool: "max" | "mean", excludeSink: boolean): Float64Array {
  const { bins } = grid.keys;
  return Float64Array.from(grid[pool], (value, cell) => {
    const [row, column] = [Math.floor(cell / bins), cell % bins];
    return isFuture(grid, row, column) || (excludeSink && column === 0) ? NaN : value;
  });
}

function factsOf(
  grid: MapGrid,
  values: Float64Array,
  { method, excludeSink, pool }: { method: string; excludeSink: boolean; pool: string },
): string[] {
  const { queries, keys } = grid;
  const [low, high] = rangeOf(values);
  const size = queries.tokens === keys.tokens
    ? `${grouped(keys.tokens)} ${keys.tokens === 1 ? "token" : "tokens"}`
    : `${grouped(queries.tokens)} ${queries.tokens === 1 ? "query" : "queries"}, ` +
      `${grouped(keys.tokens)} keys`;
  const pooled = binText(keys) || binText(queries);
  const sink = percentText(massShare(grid, (_, column) => column === 0 ? 1 : 0));
  const first = keys.bins === keys.tokens ? "first key" : `first ${keys.firstOf(1)} keys`;
  return [
    size,
    method,
    pooled && `${pooled}, ${pool}`,
    `${shortNumber(low)} .. ${shortNumber(high)}`,
    zeroText(values),
    `${first}: ${sink} of the mass${excludeSink ? ", left out" : ""}`,
  ].filter((fact) => fact !== "");
}

/** How many of the cells are exactly 0, as those are that a sparse method leaves out. */
function zeroText(values: Float64Array): string {
  const zeros = values.reduce((count, value) => value === 0 ? count + 1 : count, 0);
  const cells = values.reduce((count, value) => Number.isNaN(value) ? count : count + 1, 0);
  return zeros === 0 ? "" : `${percentText(zeros / cells)} of the cells are 0`;
}

function textOf({ title, facts, values, grid, scale }: MapDrawing): string {
  const shape = { rows: grid.queries.bins, columns: grid.keys.bins };
  return `${title}: ${facts.join("; ")}\n${textMap(values, shape, scale)}`;
}
