import { percentText, shortNumber } from "./draw/number_text.ts";
import { visibleToken } from "./draw/token_text.ts";
import { Figure } from "./figure.ts";
import { drawLogits } from "./logits/logit_picture.ts";
import {
  type LogitColumn,
  type LogitRows,
  logitRows,
  type MethodLogits,
} from "./logits/logit_rows.ts";
import type { FigureOptions } from "./options.ts";

export type { MethodLogits } from "./logits/logit_rows.ts";

/** Options of {@link logitTable}. */
export interface LogitTableOptions extends FigureOptions {
  /**
   * Text of a token, by its id.
   * @default the id
   */
  readonly tokenOf?: (id: number) => string;
  /**
   * Likeliest tokens of each method that are shown, 1 to 50.
   * @default 8
   */
  readonly top?: number;
}

/**
 * Did a method change the prediction? The likeliest next tokens with the first method, which is what the others are
 * compared with, and with each other method: probability, rank where it is another, and the Kullback-Leibler divergence of the
 * whole distribution. All must come after the same tokens.
 *
 * @throws {TypeError} when vocabularies differ in size
 * @throws {RangeError} when there are no or too many methods, `top` is out of range, or a score is `NaN` or `Infinity`
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * const tokens = [" 7", " 9", " the"];
 * await plot.logitTable([
 *   { method: "dense", logits: Float32Array.of(4, 2, 1) },
 *   { method: "a-shape", logits: Float32Array.of(2, 3, 1) },
 * ], { tokenOf: (id) => tokens[id]! }).svg();
 * ```
 */
export function logitTable(
  methods: readonly MethodLogits[],
  options: LogitTableOptions = {},
): Figure {
  const { top = 8, width = 640, tokenOf = String } = options;
  const rows = logitRows(methods, top);
  const texts = rows.ids.map(tokenOf);
  const title = options.title ?? titleOf(rows);
  const facts = [`${rows.ids.length} tokens: the ${top} likeliest of each method`];
  return new Figure({
    text: `${title}: ${rows.columns.map((column) => factOf(column, rows, texts)).join("; ")}`,
    draw: (how) => drawLogits({ ...rows, texts, title, facts, width: how.width ?? width }),
  });
}

function titleOf({ columns: [reference, ...others] }: LogitRows): string {
  const changed = others.filter(({ first }) => first !== reference!.first).length;
  if (others.length === 0) return `Next token by ${reference!.method}`;
  if (changed === 0) return `Next token: no change from ${reference!.method}`;
  return `Next token: changed by ${changed} of ${others.length} methods`;
}

function factOf({ method, first, probs, kl }: LogitColumn, rows: LogitRows, texts: string[]) {
  const place = rows.ids.indexOf(first);
  const says = `${method} "${visibleToken(texts[place]!)}" ${percentText(probs[place]!)}`;
  return rows.columns[0]!.method === method ? says : `${says}, KL ${klText(kl)}`;
}

function klText(kl: number): string {
  return kl === Infinity ? "\u221e" : shortNumber(kl);
}
