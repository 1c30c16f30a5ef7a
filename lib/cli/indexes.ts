/**
 * What indexes over the keys of a text find, and what that costs, beside exact search and dense attention.
 *
 *     deno task indexes --text FILE --length 16384 --indexes graph,graph:width=400,flat4,clusters
 */
import { parseArgs } from "node:util";
import type { Model } from "../engine/model.ts";
import { QUERY_SAMPLES } from "../engine/session_defaults.ts";
import { type IndexTrialRow, indexTrials } from "../eval/index_trials.ts";
import { writeIndexTrials } from "../eval/index_trial_file.ts";
import { INDEX_KINDS, type IndexOptions } from "../retrieval/index_options.ts";
import { reportTexts, type Texts } from "./collected.ts";
import { command } from "./command.ts";
import { type HeadGroup, leastColumn, meanColumn } from "./head_means.ts";
import { indexList } from "./index_list.ts";
import { wholeNumber } from "./option_values.ts";
import { table } from "./table.ts";

const USAGE = `Options of deno task indexes:
  --text FILE       what is read; may be given several times
  --length N        tokens of each text (8192)
  --indexes LIST    indexes, options after colons (graph,flat4,clusters,pages,blocks): of
                    ${INDEX_KINDS.join(", ")}
  --top-k N         keys that are asked for (100)
  --rows N          rows of each text that ask: the last ones (64)
  --samples N       queries of each head that may build an index (${QUERY_SAMPLES})
  --layers LIST     layers, divided by commas (all)
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --threads N       threads of the native library (the cores there are)
  --out FILE        Arrow IPC stream that a row for each head is added to (none)`;

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: {
      text: { ...text, multiple: true, default: [] },
      length: { ...text, default: "8192" },
      indexes: { ...text, default: "graph,flat4,clusters,pages,blocks" },
      "top-k": { ...text, default: "100" },
      rows: { ...text, default: "64" },
      samples: { ...text, default: `${QUERY_SAMPLES}` },
      layers: text,
      model: text,
      threads: text,
      out: text,
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

function trials(
  model: Model,
  texts: Texts,
  indexes: readonly IndexOptions[],
  values: Options,
): AsyncIterable<IndexTrialRow> {
  const layers = values.layers?.split(",").map((layer) => wholeNumber("layers", layer, 0));
  return indexTrials(model, {
    ...texts,
    indexes,
    chunkTokens: 2048,
    topK: wholeNumber("top-k", values["top-k"], 1),
    rows: wholeNumber("rows", values.rows, 1),
    samples: wholeNumber("samples", values.samples, 0),
    ...(layers ? { layers } : {}),
  });
}

function summary(rows: readonly IndexTrialRow[]): string {
  const groups = [...Map.groupBy(rows, ({ parameter }) => parameter)];
  const means = table<HeadGroup<IndexTrialRow>>(groups.map(([name, rows]) => ({ name, rows })), [
    { title: "index", cell: ({ name }) => name },
    meanColumn("scanned", ({ scannedShare }) => scannedShare),
    meanColumn("recall", ({ recall }) => recall),
    leastColumn("least", ({ recall }) => recall),
    meanColumn("mass of exact's", ({ massShare }) => massShare),
    meanColumn("5th percentile", ({ massShare5 }) => massShare5),
    meanColumn("mass kept", ({ mass }) => mass),
    meanColumn("error", ({ error }) => error),
    meanColumn("exact's", ({ exactError }) => exactError),
    meanColumn("with tail", ({ tailError }) => tailError),
    meanColumn("us/search", ({ searchMs }) => 1000 * searchMs, whole),
    meanColumn("exact's", ({ exactMs }) => 1000 * exactMs, whole),
    meanColumn("build ms", ({ buildMs }) => buildMs, whole),
    meanColumn("kB", ({ bytes }) => bytes / 1000, whole),
  ]);
  return `${means}\n\n` +
    "Means over heads; times, build and bytes are a query head's share of its layer's.";
}

function whole(value: number): string {
  return value.toFixed(0);
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text.length === 0) throw new Error("Cannot try indexes without --text FILE");
  const indexes = indexList(values.indexes);
  await reportTexts(values, {
    rows: (model, texts) => trials(model, texts, indexes, values),
    write: writeIndexTrials,
    summary,
  });
}

if (import.meta.main) await command("indexes", main);
