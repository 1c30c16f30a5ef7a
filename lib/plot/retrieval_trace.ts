import { Figure, inkOf } from "./figure.ts";
import { grouped, percentText } from "./draw/number_text.ts";
import { checkTokens, type InkOptions } from "./options.ts";
import { drawTrace } from "./retrieval/retrieval_picture.ts";
import { type GatheredTrace, gatherTrace, type RetrievalRow } from "./retrieval/retrieval_rows.ts";
import { makeScale, rangeOf } from "./draw/scale.ts";
import { textMap } from "./draw/text_map.ts";

export type { RetrievalRow } from "./retrieval/retrieval_rows.ts";

/** Options of {@link retrievalTrace}. */
export interface RetrievalTraceOptions extends InkOptions {
  /**
   * Text of every token. The HTML then shows the text around the positions that were retrieved most often.
   * @default none
   */
  readonly tokens?: readonly string[];
}

/**
 * What an index fetched while tokens were generated: steps from top to bottom, positions in the text from left to
 * right, brighter where more keys were retrieved. Lines are sinks and windows, crosses are keys that exact attention
 * wanted and nobody attended. Beside it, for each step, the shares of the keys that were scanned and attended, and the
 * recall; a wanted key in the static set counts as found.
 *
 * @throws {RangeError} when there are no rows, one occurs twice, or a number is out of range
 * @throws {TypeError} when there are fewer tokens than keys
 *
 * @example Rows of one head from the steps of a session
 * ```ts
 * import { plot, type RetrievalRow, type Step } from "@longlens/longlens";
 *
 * function rowOf(step: Step, layer: number, head: number): RetrievalRow {
 *   const { indices, scanned, attended, keys } = step.retrieval(layer, head);
 *   const plan = step.plan(layer).heads[head];
 *   const ranges: [number, number][] = plan?.kind === "staticPlusRetrieved"
 *     ? [[0, Math.min(plan.sink, keys)], [Math.max(0, keys - plan.window), keys]]
 *     : [];
 *   return { step: step.index, token: step.text, layer, head, indices, scanned, attended, keys, ranges };
 * }
 *
 * function trace(steps: readonly Step[], tokens: readonly string[]) {
 *   return plot.retrievalTrace(steps.map((step) => rowOf(step, 2, 0)), { tokens });
 * }
 * ```
 *
 * @example Rows of one run of a recorded trace
 * ```ts
 * import { plot, readTrace, type RetrievalRow } from "@longlens/longlens";
 *
 * async function rowsOf(dir: string, ofRun: number): Promise<RetrievalRow[]> {
 *   const { steps, heads, retrieval } = await readTrace(dir);
 *   const texts = new Map(steps.filter(({ run }) => run === ofRun).map(({ step, text }) => [step, text]));
 *   const place = (row: { step: number; layer: number; head: number }) => `${row.step} ${row.layer} ${row.head}`;
 *   const found = new Map(retrieval.filter(({ run }) => run === ofRun).map((row) => [place(row), row.indices]));
 *   return heads.filter(({ run }) => run === ofRun).map((row) => (
 *     { ...row, token: texts.get(row.step) ?? "", indices: found.get(place(row)) ?? [] }
 *   ));
 * }
 *
 * async function trace(dir: string) {
 *   return plot.retrievalTrace(await rowsOf(dir, 1));
 * }
 * ```
 */
export function retrievalTrace(
  rows: readonly RetrievalRow[],
  options: RetrievalTraceOptions = {},
): Figure {
  const { width = 640, palette = "viridis", tokens } = options;
  const trace = gatherTrace(rows);
  checkTokens("retrieval", tokens, trace.axis.tokens);
  const title = options.title ?? titleOf(trace);
  const facts = factsOf(trace);
  const values = Float64Array.from(trace.rows.flatMap(({ retrieved }) => [...retrieved]));
  const range = options.range ?? [0, rangeOf(values)[1]] as const;
  const scaleName = options.scale ?? "sqrt";
  const measure = measureOf(trace);
  const shape = { rows: trace.rows.length, columns: trace.axis.bins };
  const scale = makeScale(scaleName, values, range);
  const text = `${title}: ${facts.join("; ")}\n${textMap(values, shape, scale)}`;
  return new Figure({
    text,
    ...inkOf(measure, scale),
    draw: (how) =>
      drawTrace({
        trace,
        title,
        facts,
        measure,
        scaleOf: (shown) => makeScale(scaleName, shown, how.range ?? range),
        palette,
        width: how.width ?? width,
        tokens,
      }),
  });
}

function titleOf({ heads, steps }: GatheredTrace): string {
  const who = heads.length === 1
    ? `layer ${heads[0]![0]}, head ${heads[0]![1]}`
    : `${heads.length} heads`;
  return `Retrieved by ${who} in ${steps} ${steps === 1 ? "step" : "steps"}`;
}

/** What the colours stand for. */
function measureOf({ axis }: GatheredTrace): string {
  return axis.bins === axis.tokens ? "keys retrieved" : "keys retrieved per bin";
}

function factsOf({ data, axis, k, steps, rows }: GatheredTrace): string[] {
  const sum = (name: "scanned" | "attended" | "keys") =>
    data.reduce((total, row) => total + row[name], 0);
  const [scanned, attended, keys] = [sum("scanned"), sum("attended"), sum("keys")];
  const facts = [
    `${grouped(axis.tokens)} tokens`,
    `scanned ${percentText(scanned / keys)}, attended ${percentText(attended / keys)} of ${
      grouped(keys)
    } query-key pairs`,
  ];
  if (steps > rows.length) facts.push(`up to ${Math.ceil(steps / rows.length)} steps a row`);
  if (data.some(({ exact }) => exact)) {
    facts.push(`crosses: wanted by exact attention, not attended`);
  }
  if (data.some(({ ranges }) => ranges && ranges.length > 0)) {
    facts.push("lines: sinks and windows");
  }
  if (k !== null) facts.push(`recall@${k}: share of the ${k} largest that was attended`);
  return facts;
}
