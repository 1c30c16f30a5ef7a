/** Rows that take long, with a line that shows how far they are. */
import type { ProbedTextOptions } from "../eval/probed_texts.ts";
import { wholeNumber } from "./format.ts";
import { ProgressLine } from "./progress_line.ts";

/** The texts of files, by the names of these. */
export function readTexts(paths: readonly string[]): Promise<{ name: string; text: string }[]> {
  return Promise.all(paths.map(async (path) => ({
    name: path.split("/").at(-1)!,
    text: await Deno.readTextFile(path),
  })));
}

/** Collects what `rows` yields for texts of `length` tokens. */
export async function collected<Row>(
  { text, length }: { readonly text: readonly string[]; readonly length: string },
  signal: AbortSignal,
  rows: (
    options: Pick<ProbedTextOptions, "texts" | "tokens" | "onProgress" | "signal">,
  ) => AsyncIterable<Row>,
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
