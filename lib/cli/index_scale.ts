/**
 * How the keys that an index scores grow with those that there are: a text's heads, and key sets like theirs of any size.
 *
 *     deno task index-scale --text FILE --length 32768 --heads 2:0,3:1 --keys 8192,32768,131072
 */
import { parseArgs } from "node:util";
import type { Model } from "../engine/model.ts";
import { QUERY_SAMPLES } from "../engine/session_defaults.ts";
import { appendTrial } from "../eval/index_appending.ts";
import { writeIndexScale } from "../eval/index_scale_file.ts";
import {
  type IndexScaleRow,
  indexScaling,
  type IndexScalingOptions,
  keySets,
} from "../eval/index_scaling.ts";
import { ropeFrequencies } from "../model/rope.ts";
import { indexName, type IndexOptions } from "../retrieval/index_options.ts";
import { readTexts } from "./collected.ts";
import { command } from "./command.ts";
import { percent } from "./format.ts";
import { indexList } from "./index_list.ts";
import { exponents, needs, scaleTable } from "./index_scale_tables.ts";
import { number, wholeNumber, wholeNumbers } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { withModel } from "./with_model.ts";

const USAGE = `Options of deno task index-scale:
  --text FILE       what is read
  --length N        tokens of it (32768)
  --heads LIST      KV heads as layer:head, divided by commas (all)
  --keys LIST       keys of the synthetic sets (8192,16384,32768,65536); the recorded set comes first
  --indexes LIST    indexes, options after colons (graph,graph:queryShare=0,clusters,flat4)
  --widths LIST     widths of search of graphs (100,150,200,300,400,600,800,1200)
  --shares LIST     shares of keys that clusters, pages and blocks score (0.02,0.04,0.08,0.16,0.32)
  --append N        appends the last N keys of each set that has more to the first index instead, beside a
                    fresh build
  --top-k N         keys that are asked for (100)
  --rows N          rows that ask (128)
  --samples N       queries of each head that may build an index (${QUERY_SAMPLES})
  --neighbours N    recorded keys that a synthetic key is drawn among (16)
  --smoothing X     part of their variance that is drawn anew, 0 to 1 (0.5)
  --positions NAME  of synthetic keys: longer, as a text of so many tokens has, or recorded (longer)
  --seed N          seed of the draws (0)
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --threads N       threads of the native library (the cores there are)
  --out FILE        Arrow IPC stream that a row for each head is added to as soon as it is there (none)`;

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: {
      ...{ text, heads: text, append: text, model: text, threads: text, out: text },
      length: { ...text, default: "32768" },
      keys: { ...text, default: "8192,16384,32768,65536" },
      indexes: { ...text, default: "graph,graph:queryShare=0,clusters,flat4" },
      widths: { ...text, default: "100,150,200,300,400,600,800,1200" },
      shares: { ...text, default: "0.02,0.04,0.08,0.16,0.32" },
      "top-k": { ...text, default: "100" },
      rows: { ...text, default: "128" },
      samples: { ...text, default: `${QUERY_SAMPLES}` },
      neighbours: { ...text, default: "16" },
      smoothing: { ...text, default: "0.5" },
      positions: { ...text, default: "longer" },
      seed: { ...text, default: "0" },
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

/** Those of `--heads`, or all that see whole texts. */
function headList({ config }: Model, list: string | undefined): [number, number][] {
  if (list === undefined) {
    const layers = config.windows.flatMap((window, layer) => window === null ? [layer] : []);
    return layers.flatMap((layer) =>
      Array.from({ length: config.kvHeads }, (_, head): [number, number] => [layer, head])
    );
  }
  return list.split(",").map((pair) => {
    const [layer = "", head = ""] = pair.split(":");
    return [wholeNumber("heads", layer), wholeNumber("heads", head)];
  });
}

function positionsOf({ positions }: Options): "longer" | "recorded" {
  if (positions === "longer" || positions === "recorded") return positions;
  throw new RangeError(
    `Cannot run as --positions must be longer or recorded: current value is ${positions}`,
  );
}

async function scalingOptions(
  model: Model,
  values: Options,
  indexes: readonly IndexOptions[],
): Promise<IndexScalingOptions> {
  const { name, text } = (await readTexts([values.text!]))[0]!;
  const length = wholeNumber("length", values.length, 1);
  const ids = model.tokenizer.encode(text, { bos: true });
  if (ids.length < length) {
    throw new RangeError(
      `Cannot run as ${name} must have ${length} tokens: current value is ${ids.length}`,
    );
  }
  return {
    text: { name, ids: ids.slice(0, length) },
    heads: headList(model, values.heads),
    indexes: Object.fromEntries(indexes.map((index) => [indexName(index), index])),
    frequencies: ropeFrequencies(model.config.rope, length).inverse,
    counts: values.keys === "" ? [] : wholeNumbers("keys", values.keys, 1),
    widths: wholeNumbers("widths", values.widths, 1),
    shares: values.shares.split(",").map((share) => number("shares", share)),
    topK: wholeNumber("top-k", values["top-k"], 1),
    rows: wholeNumber("rows", values.rows, 1),
    samples: wholeNumber("samples", values.samples, 0),
    neighbours: wholeNumber("neighbours", values.neighbours, 1),
    smoothing: number("smoothing", values.smoothing),
    positions: positionsOf(values),
    seed: wholeNumber("seed", values.seed),
  };
}

async function scale(model: Model, how: IndexScalingOptions, out?: string): Promise<void> {
  const line = new ProgressLine();
  const all: IndexScaleRow[] = [];
  try {
    const onStep = (what: string) => line.update(0, what);
    for await (const rows of indexScaling(model, { ...how, onStep })) {
      all.push(...rows);
      if (out !== undefined) await writeIndexScale(out, rows);
    }
  } finally {
    line.clear();
  }
  console.log(`${scaleTable(all)}\n\n${needs(all)}\n\n${exponents(all)}`);
}

/** What appending costs in recall: a line for each key set. */
async function append(model: Model, how: IndexScalingOptions, appended: number): Promise<void> {
  const index = Object.values(how.indexes)[0]!;
  for await (const [{ layer, kvHead }, set] of keySets(model, how)) {
    if (set.keys.length / set.dim <= appended) continue; // nothing to append to
    const trial = await appendTrial(set, { index, appended, topK: how.topK ?? 100 });
    console.log(
      `head ${layer}:${kvHead}, ${trial.keys} ${set.source} keys, ${appended} of them appended: ` +
        `recall ${percent(trial.recall)}, ${percent(trial.freshRecall)} where built fresh; ` +
        `scanned ${trial.scanned.toFixed(0)}, ${trial.freshScanned.toFixed(0)}; ` +
        `${trial.appendUs.toFixed(0)} us a key`,
    );
  }
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text === undefined) throw new Error("Cannot try indexes without --text FILE");
  const indexes = indexList(values.indexes);
  await withModel(values, async (model, signal) => {
    const how = { ...await scalingOptions(model, values, indexes), signal };
    if (values.append === undefined) return await scale(model, how, values.out);
    await append(model, how, wholeNumber("append", values.append, 1));
  });
}

if (import.meta.main) await command("index-scale", main);
