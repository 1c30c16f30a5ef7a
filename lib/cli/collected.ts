/** Rows of texts that take long, with a line that shows how far they are. */
import type { Model } from "../engine/model.ts";
import type { ProbedTextOptions } from "../eval/probed_texts.ts";
import { wholeNumber } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { type ModelOptions, withModel } from "./with_model.ts";

/** What options say of the texts, and where rows go. */
export interface TextOptions extends ModelOptions {
  /** Paths of the texts. */
  readonly text: readonly string[];
  /** Tokens of each. */
  readonly length: string;
  /**
   * File that rows are added to.
   * @default none
   */
  readonly out?: string | undefined;
}

/** How rows are had, kept and told. */
export interface RowsOfTexts<Row> {
  /** Yields the rows. */
  readonly rows: (model: Model, texts: Texts) => AsyncIterable<Row>;
  /** Adds them to a file. */
  readonly write: (path: string, rows: readonly Row[]) => Promise<void>;
  /** What is printed of them. */
  readonly summary: (rows: readonly Row[]) => string;
}

/** Texts, and what is to be told while they are read. */
export type Texts = Pick<ProbedTextOptions, "texts" | "tokens" | "onProgress" | "signal">;

/** The texts of files, by the names of these. */
export function readTexts(paths: readonly string[]): Promise<{ name: string; text: string }[]> {
  return Promise.all(paths.map(async (path) => ({
    name: path.split("/").at(-1)!,
    text: await Deno.readTextFile(path),
  })));
}

/** Loads the model, collects rows, adds them to the file and prints what they say; Ctrl-C ends it without any. */
export async function reportTexts<Row>(
  options: TextOptions,
  { rows, write, summary }: RowsOfTexts<Row>,
): Promise<void> {
  await withModel(options, async (model, signal) => {
    const found = await collected(options, signal, (texts) => rows(model, texts));
    if (options.out !== undefined) await write(options.out, found);
    console.log(summary(found));
  });
}

/** Collects what `rows` yields for texts of `length` tokens. */
async function collected<Row>(
  { text, length }: TextOptions,
  signal: AbortSignal,
  rows: (texts: Texts) => AsyncIterable<Row>,
): Promise<Row[]> {
  const line = new ProgressLine();
  const found: Row[] = [];
  try {
    const texts = await readTexts(text);
    const onProgress = (share: number, what: string) => line.update(share, what);
    const tokens = wholeNumber("length", length, 1);
    for await (const row of rows({ texts, tokens, onProgress, signal })) found.push(row);
  } finally {
    line.clear();
  }
  return found;
}
