import { Figure } from "./figure.ts";
import { grouped, percentText, shortNumber } from "./draw/number_text.ts";
import { checkTokens, type FigureOptions } from "./options.ts";
import { drawRow, type RowDrawing } from "./row/row_picture.ts";
import { attendedSpans, binnedRow, topSpans } from "./row/row_data.ts";
import { binText, rangeText } from "./draw/token_axis.ts";

/** Options of {@link attentionRow}. */
export interface AttentionRowOptions extends FigureOptions {
  /**
   * Axis of the weights. "log" shows five decades.
   * @default "log"
   */
  readonly scale?: "log" | "sqrt" | "linear";
  /**
   * Bins of the axis of keys at most.
   * @default 256
   */
  readonly bins?: number;
  /**
   * Text of each key token, for the labels of the largest weights.
   * @default none
   */
  readonly tokens?: readonly string[];
  /**
   * How many of the largest weights are labelled; neighbours share a label.
   * @default 6
   */
  readonly top?: number;
  /**
   * Spans of keys that were attended, each its first key and the one after its last.
   * @default the keys whose weight is not exactly 0
   */
  readonly attended?: readonly (readonly [start: number, end: number])[];
  /**
   * Position of the query, for the title.
   * @default the last key
   */
  readonly query?: number;
  /**
   * Height of the plot in CSS pixels, without labels and axes.
   * @default 150
   */
  readonly height?: number;
}

/**
 * Attention of one query over all keys. Long rows are drawn in bins, each with its largest and its mean weight; the
 * largest weights are named; below the axis stands which keys were attended.
 *
 * @param probs weight of each key, such as `step.attention(layer, head)`
 * @throws {RangeError} for an empty row or a weight below 0
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const figure = plot.attentionRow([0.7, 0.1, 0.2], { tokens: ["The", " pass", " key"] });
 * await figure.svg();
 * ```
 */
export function attentionRow(probs: ArrayLike<number>, options: AttentionRowOptions = {}): Figure {
  const { scale = "log", bins = 256, top = 6, tokens, width = 640, height = 150 } = options;
  checkRow(probs);
  checkTokens("a row of attention", tokens, probs.length);
  const row = binnedRow(probs, bins);
  const named = topSpans(probs, top);
  const spans = options.attended ?? attendedSpans(probs);
  const query = options.query ?? probs.length - 1;
  const drawing: RowDrawing = {
    row,
    named,
    spans,
    scale,
    tokens,
    height,
    title: options.title ?? `Attention of query ${grouped(query)}`,
    facts: factsOf(row.axis, probs, spans),
  };
  const peaks = named.map(({ start, end, sum }) =>
    `${rangeText(start, end - 1)} ${shortNumber(sum)}`
  );
  return new Figure({
    text: `${drawing.title}: ${drawing.facts.join("; ")}; largest: ${peaks.join(", ")}`,
    draw: (how) => drawRow(drawing, how.width ?? width),
  });
}

function factsOf(
  axis: RowDrawing["row"]["axis"],
  probs: ArrayLike<number>,
  spans: RowDrawing["spans"],
): string[] {
  const attended = spans.reduce((sum, [start, end]) => sum + end - start, 0);
  const bin = binText(axis);
  return [
    `${grouped(probs.length)} keys`,
    bin && `${bin}: largest (light) and mean (dark) weight`,
    attended === probs.length
      ? "all keys attended"
      : `${grouped(attended)} attended (orange, ${percentText(attended / probs.length)})`,
    `first key: ${percentText(probs[0]!)} of the mass`,
  ].filter((fact) => fact !== "");
}

function checkRow(probs: ArrayLike<number>): void {
  if (probs.length === 0) throw new RangeError("Cannot draw a row of attention as it is empty");
  for (let key = 0; key < probs.length; key++) {
    if (probs[key]! >= 0) continue;
    throw new RangeError(
      `Cannot draw a row of attention as weights must be >= 0: current value of key ${key} is ${
        probs[key]
      }`,
    );
  }
}
