/**
 * What indexes over the keys of a text find, and what that costs, beside exact search and dense attention.
 *
 *     deno task indexes --text FILE --length 16384 --indexes graph,graph:width=400,flat4,clusters
 */
import { parseArgs } from "node:util";
import type { Model } from "../engine/model.ts";
import { type IndexTrialRow, indexTrials } from "../eval/index_trials.ts";
import { writeIndexTrials } from "../eval/index_trial_file.ts";
import { INDEX_KINDS, type IndexOptions, indexOptions } from "../retrieval/index_options.ts";
import { collected } from "./collected.ts";
import { percent, wholeNumber } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { loadModel, threadsOption } from "./load_model.ts";
import { option } from "./method_list.ts";
import { ProgressLine } from "./progress_line.ts";
import { type Column, table } from "./table.ts";

const USAGE = `Options of deno task indexes:
  --text FILE       what is read; may be given several times
  --length N        tokens of each text (8192)
  --indexes LIST    indexes, options after colons (graph,flat4,clusters,pages,blocks): of
                    ${INDEX_KINDS.join(", ")}
  --top-k N         keys that are asked for (100)
  --rows N          rows of each text that ask: the last ones (64)
  --samples N       queries of each head that may build an index (4096)
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
      samples: { ...text, default: "4096" },
      layers: text,
      model: text,
      threads: text,
      out: text,
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

function indexList(text: string): IndexOptions[] {
  return text.split(",").map((part) => {
    const [kind = "", ...pairs] = part.trim().split(":");
    const given = { kind, ...Object.fromEntries(pairs.map(option)) } as IndexOptions;
    return indexOptions("try an index", given);
  });
}

function collect(model: Model, values: Options, signal: AbortSignal): Promise<IndexTrialRow[]> {
  const layers = values.layers?.split(",").map((layer) => wholeNumber("layers", layer, 0));
  return collected(values, signal, (texts) =>
    indexTrials(model, {
      ...texts,
      indexes: indexList(values.indexes),
      chunkTokens: 2048,
      topK: wholeNumber("top-k", values["top-k"], 1),
      rows: wholeNumber("rows", values.rows, 1),
      samples: wholeNumber("samples", values.samples, 0),
      ...(layers ? { layers } : {}),
    }));
}

/** The heads of one index. */
interface Group {
  readonly name: string;
  readonly rows: readonly IndexTrialRow[];
}

function mean({ rows }: Group, value: (row: IndexTrialRow) => number): number {
  return rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
}

function column(
  title: string,
  value: (row: IndexTrialRow) => number,
  text: (mean: number) => string = percent,
): Column<Group> {
  return { title, align: "right", cell: (group) => text(mean(group, value)) };
}

function least(title: string, value: (row: IndexTrialRow) => number): Column<Group> {
  const cell = ({ rows }: Group) => percent(Math.min(...rows.map(value)));
  return { title, align: "right", cell };
}

function summary(rows: readonly IndexTrialRow[]): string {
  const groups = [...Map.groupBy(rows, ({ parameter }) => parameter)];
  return table(groups.map(([name, rows]): Group => ({ name, rows })), [
    { title: "index", cell: ({ name }) => name },
    column("scanned", ({ scannedShare }) => scannedShare),
    column("recall", ({ recall }) => recall),
    least("least", ({ recall }) => recall),
    column("mass of exact's", ({ massShare }) => massShare),
    column("5th percentile", ({ massShare5 }) => massShare5),
    column("mass kept", ({ mass }) => mass),
    column("error", ({ error }) => error),
    column("exact's", ({ exactError }) => exactError),
    column("with tail", ({ tailError }) => tailError),
    column("us/search", ({ searchMs }) => 1000 * searchMs, (us) => us.toFixed(0)),
    column("exact's", ({ exactMs }) => 1000 * exactMs, (us) => us.toFixed(0)),
    column("build ms", ({ buildMs }) => buildMs, (ms) => ms.toFixed(0)),
    column("kB", ({ bytes }) => bytes / 1000, (kB) => kB.toFixed(0)),
  ]);
}

async function run(values: Options): Promise<void> {
  indexList(values.indexes);
  const { out } = values;
  const model = await loadModel(values.model, new ProgressLine(), threadsOption(values.threads));
  try {
    await interruptible(async (signal) => {
      const rows = await collect(model, values, signal);
      if (out !== undefined) await writeIndexTrials(out, rows);
      console.log(summary(rows));
      console.log(
        "\nMeans over heads; times, build and bytes are a query head's share of its layer's.",
      );
    });
  } finally {
    model.close();
  }
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text.length === 0) throw new Error("Cannot try indexes without --text FILE");
  await run(values);
}

if (import.meta.main) await main();
