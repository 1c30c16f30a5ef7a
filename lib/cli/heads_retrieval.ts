/** What each head does in a step of retrieval, found by trying its modes on texts. */
import { parseArgs } from "node:util";
import {
  type HeadFile,
  type QueryHeadEntry,
  type RetrievalMode,
  writeHeadFile,
} from "../attention/head_file.ts";
import { RETRIEVAL_MODES } from "../attention/retrieval_modes.ts";
import type { Model } from "../engine/model.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import { searchRetrieval } from "../heads/retrieval_search.ts";
import { readTexts } from "./collected.ts";
import { type HeadGroup, meanColumn } from "./head_means.ts";
import { indexList } from "./index_list.ts";
import { modelName } from "./model_name.ts";
import { number, wholeNumber } from "./option_values.ts";
import { withSearchProgress } from "./search_progress.ts";
import { table } from "./table.ts";
import { withModel } from "./with_model.ts";

/** What `deno task heads retrieval` takes. */
export const RETRIEVAL_USAGE =
  `deno task heads retrieval finds what each head does in a step of retrieval. Options:
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --texts FILE...   texts whose ends ask; some should end in questions (deno task haystack --facts prints such texts)
  --length N        tokens of each text: the last ones (16384)
  --error X         most that the output of a head may be off by, over dense attention's, in the mean over rows (0.1)
  --worst X         the same for the worst row that counts (0.2)
  --percentile X    which row that is: 95 leaves out a twentieth of them, 100 none (95)
  --rows N          rows of each text that ask: the last ones (256)
  --index KIND      index that heads may ask, options after colons (exact)
  --top-k N         keys that it is asked for (100)
  --sink N          first tokens that every head sees (128)
  --window N        most recent tokens that every head sees (512)
  --chunk N         tokens that are read together (${CHUNK_TOKENS})
  --threads N       threads of the native library (the cores there are)
  --out FILE        head file (heads.json); beside it FILE.part while the search goes on`;

function optionsOf(args: readonly string[]) {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      model: text,
      texts: { ...text, multiple: true, default: [] },
      length: { ...text, default: "16384" },
      error: { ...text, default: "0.1" },
      worst: { ...text, default: "0.2" },
      percentile: { ...text, default: "95" },
      rows: { ...text, default: "256" },
      index: { ...text, default: "exact" },
      "top-k": { ...text, default: "100" },
      sink: { ...text, default: "128" },
      window: { ...text, default: "512" },
      chunk: { ...text, default: `${CHUNK_TOKENS}` },
      threads: text,
      out: { ...text, default: "heads.json" },
      help: { type: "boolean" },
    },
  });
  return { ...values, texts: [...values.texts, ...positionals] };
}

type Options = ReturnType<typeof optionsOf>;

/** Runs the command; `args` are what follows its name. */
export async function retrievalHeads(args: readonly string[]): Promise<void> {
  const values = optionsOf(args);
  if (values.help) return console.log(RETRIEVAL_USAGE);
  if (values.texts.length === 0) {
    throw new Error("Cannot search modes of retrieval without --texts FILE...");
  }
  const how = howOf(values);
  const { out } = values;
  const ended = await withModel(values, async (model, signal) => {
    const heads = await search(model, values, how, signal);
    await writeHeadFile(out, heads);
    await Deno.remove(`${out}.part`);
    console.log(summary(heads));
  });
  if (!ended) console.error("Stopped; the same command goes on from here.");
}

/** What is tried; refuses values before a model is loaded. */
function howOf(values: Options) {
  const [index, ...more] = indexList(values.index);
  if (!index || more.length > 0) {
    throw new RangeError(
      `Cannot run as --index must be one index: current value is ${values.index}`,
    );
  }
  return {
    index,
    tokens: wholeNumber("length", values.length, 1),
    error: number("error", values.error),
    worst: number("worst", values.worst),
    percentile: number("percentile", values.percentile),
    rows: wholeNumber("rows", values.rows, 1),
    topK: wholeNumber("top-k", values["top-k"], 1),
    sink: wholeNumber("sink", values.sink),
    window: wholeNumber("window", values.window, 1),
    chunkTokens: wholeNumber("chunk", values.chunk, 1),
  };
}

function search(
  model: Model,
  { texts, out }: Options,
  how: ReturnType<typeof howOf>,
  signal: AbortSignal,
): Promise<HeadFile> {
  return withSearchProgress(async (onProgress) =>
    await searchRetrieval(model, {
      ...how,
      texts: await readTexts(texts),
      modelName: await modelName(model.path),
      date: new Date().toISOString(),
      progressFile: `${out}.part`,
      onProgress,
      signal,
    })
  );
}

/** How many heads have each mode, what all modes would be off by for them, and what a step costs. */
function summary({ layers }: HeadFile): string {
  const heads = layers.flatMap(({ queryHeads }) => queryHeads);
  const of = (mode: RetrievalMode) => heads.filter(({ retrieval }) => retrieval === mode);
  const groups: HeadGroup<QueryHeadEntry>[] = [
    ...RETRIEVAL_MODES.map((mode) => ({ name: `${mode}`, rows: of(mode) })),
    { name: "all", rows: heads },
  ].filter(({ rows }) => rows.length > 0);
  const mean = (title: string, name: string) =>
    meanColumn<QueryHeadEntry>(title, ({ scores }) => scores[name] ?? NaN);
  const means = table(groups, [
    { title: "mode", cell: ({ name }) => name },
    { title: "heads", align: "right", cell: ({ rows }) => `${rows.length}` },
    mean("error as streaming", "streamingError"),
    mean("worst rows", "streamingWorst"),
    mean("as tail", "tailError"),
    mean("worst rows", "tailWorst"),
    mean("as index", "indexError"),
    mean("worst rows", "indexWorst"),
    mean("scanned", "scannedShare"),
    mean("attended", "attendedShare"),
  ]);
  return `${means}\n\n` +
    "Means over heads. Errors are over dense attention's output, on the text where they are largest; scanned\n" +
    "and attended are of all tokens. Of heads in layers with a sliding window of their own nothing is known.";
}
