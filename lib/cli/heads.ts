/**
 * What each head of a model attends to, found by trying patterns of one tile area on texts, or taken from a file that
 * MInference publishes; and what each does in a step of retrieval.
 *
 *     deno task heads search --model REF --texts FILE... --length 8192 --share 0.2 --out heads.json
 *     deno task heads retrieval --model REF --texts FILE... --length 16384 --index flat4 --out heads.json
 *     deno task heads merge patterns.json modes.json --out heads.json
 *     deno task heads import --file PUBLISHED.json --name NAME --layers 32 --heads 32 --kv-heads 8
 *     deno task heads export --file heads.json --out PUBLISHED.json
 *
 * Findings of a search are written while they come; the same command again goes on where it was stopped.
 */
import { parseArgs } from "node:util";
import { type HeadFile, writeHeadFile } from "../attention/head_file.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { Model } from "../engine/model.ts";
import { searchPatterns } from "../heads/pattern_search.ts";
import { readTexts } from "./collected.ts";
import { command } from "./command.ts";
import { percent } from "./format.ts";
import { exportHeads, importHeads } from "./heads_published.ts";
import { MERGE_USAGE, mergeHeads } from "./heads_merge.ts";
import { RETRIEVAL_USAGE, retrievalHeads } from "./heads_retrieval.ts";
import { modelName } from "./model_name.ts";
import { unknown, wholeNumber } from "./option_values.ts";
import { withSearchProgress } from "./search_progress.ts";
import { type Column, table } from "./table.ts";
import { withModel } from "./with_model.ts";

const USAGE = `deno task heads search finds a pattern for each head. Options:
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --texts FILE...   texts that patterns are tried on
  --length N        tokens of each text (8192)
  --share X         tile area of every candidate, over that of dense attention (0.2)
  --criterion NAME  mass: most attention kept; error: least error of the output (mass)
  --chunk N         tokens that are planned together (${CHUNK_TOKENS})
  --threads N       threads of the native library (the cores there are)
  --out FILE        head file (heads.json); beside it FILE.part while the search goes on
${RETRIEVAL_USAGE}
${MERGE_USAGE}
deno task heads import makes a head file of one that MInference publishes. Options:
  --file FILE       the published file
  --name NAME       how the head file calls the model
  --layers N, --heads N, --kv-heads N
                    its layers, query heads and KV heads
  --out FILE        head file (heads.json)
deno task heads export writes a head file as MInference reads it. Options:
  --file FILE       the head file
  --out FILE        what is written`;

const COMMANDS = ["search", "retrieval", "merge", "import", "export"];

function options() {
  const text = { type: "string" } as const;
  const { values, positionals: [command, ...more] } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      model: text,
      texts: { ...text, multiple: true, default: [] },
      length: { ...text, default: "8192" },
      share: { ...text, default: "0.2" },
      criterion: { ...text, default: "mass" },
      chunk: { ...text, default: `${CHUNK_TOKENS}` },
      threads: text,
      out: text,
      file: text,
      name: text,
      layers: text,
      heads: text,
      "kv-heads": text,
      help: { type: "boolean" },
    },
  });
  return { ...values, command, texts: [...values.texts, ...more] };
}

type Options = ReturnType<typeof options>;

function criterionOf({ criterion }: Options): "mass" | "error" {
  if (criterion === "mass" || criterion === "error") return criterion;
  throw new RangeError(
    `Cannot run as --criterion must be mass or error: current value is ${criterion}`,
  );
}

function search(model: Model, values: Options, signal: AbortSignal): Promise<HeadFile> {
  return withSearchProgress(async (onProgress) =>
    await searchPatterns(model, {
      texts: await readTexts(values.texts),
      tokens: wholeNumber("length", values.length, 1),
      modelName: await modelName(model.path),
      tileShare: Number(values.share),
      criterion: criterionOf(values),
      chunkTokens: wholeNumber("chunk", values.chunk, 1),
      date: new Date().toISOString(),
      progressFile: `${outOf(values)}.part`,
      onProgress,
      signal,
    })
  );
}

/** How many heads have each pattern, and how well they do. */
function summary({ layers }: HeadFile): string {
  const heads = layers.flatMap(({ queryHeads }) => queryHeads);
  const kinds = [...Map.groupBy(heads, ({ type }) => type)];
  const middle = (values: readonly number[]) =>
    [...values].sort((a, b) => a - b)[values.length >> 1]!;
  const score =
    (name: string, ofAll: (values: readonly number[]) => number) =>
    ([, some]: typeof kinds[number]) => {
      const values = some.flatMap(({ scores }) => scores[name] ?? []);
      return values.length === 0 ? "" : percent(ofAll(values));
    };
  const columns: Column<typeof kinds[number]>[] = [
    { title: "pattern", cell: ([kind]) => `${kind}` },
    { title: "heads", align: "right", cell: ([, some]) => `${some.length}` },
    { title: "tiles", align: "right", cell: score("tileShare", middle) },
    { title: "mass kept, median", align: "right", cell: score("mass", middle) },
    { title: "least", align: "right", cell: score("mass", (values) => Math.min(...values)) },
    { title: "output error, median", align: "right", cell: score("error", middle) },
    { title: "published score, median", align: "right", cell: score("score", middle) },
  ];
  return table(kinds, columns.filter(({ cell }) => kinds.some((kind) => cell(kind) !== "")));
}

function outOf({ out = "heads.json" }: Options): string {
  return out;
}

async function run(values: Options): Promise<void> {
  const out = outOf(values);
  const ended = await withModel(values, async (model, signal) => {
    const heads = await search(model, values, signal);
    await writeHeadFile(out, heads);
    await Deno.remove(`${out}.part`);
    console.log(summary(heads));
  });
  if (!ended) console.error("Stopped; the same command goes on from here.");
}

async function main(): Promise<void> {
  const [first, ...rest] = Deno.args;
  if (first === "retrieval") return await retrievalHeads(rest);
  if (first === "merge") return await mergeHeads(rest);
  const values = options();
  if (values.help || values.command === undefined) return console.log(USAGE);
  if (values.command === "export") return await exportHeads(values);
  if (values.command === "import") {
    return console.log(summary(await importHeads(values, outOf(values))));
  }
  if (values.command !== "search") throw unknown("the command", COMMANDS, values.command);
  if (values.texts.length === 0) throw new Error("Cannot search without --texts FILE...");
  await run(values);
}

if (import.meta.main) await command("heads", main);
