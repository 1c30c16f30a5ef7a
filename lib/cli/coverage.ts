/**
 * What attention methods keep and compute of a text's attention, beside dense attention.
 *
 *     deno task coverage --text FILE --length 8192 --methods adaptive,xAttention:threshold=0.9
 */
import { parseArgs } from "node:util";
import type { Model } from "../engine/model.ts";
import { coverage } from "../eval/coverage.ts";
import { type CoverageRow, writeCoverage } from "../eval/coverage_row.ts";
import { collected } from "./collected.ts";
import { percent, wholeNumber } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { loadModel, threadsOption } from "./load_model.ts";
import { methodList } from "./method_list.ts";
import { ProgressLine } from "./progress_line.ts";
import { type Column, table } from "./table.ts";

const USAGE = `Options of deno task coverage:
  --text FILE       what is read; may be given several times
  --length N        tokens of each text (8192)
  --methods LIST    methods, options after colons
                    (adaptive,verticalSlash,blockSparse,flexPrefill,xAttention,aShape)
  --chunk N         tokens that are planned together (512)
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --threads N       threads of the native library (the cores there are)
  --out FILE        Arrow IPC stream that a row for each head is added to (none)`;

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: {
      text: { ...text, multiple: true, default: [] },
      length: { ...text, default: "8192" },
      methods: {
        ...text,
        default: "adaptive,verticalSlash,blockSparse,flexPrefill,xAttention,aShape",
      },
      chunk: { ...text, default: "512" },
      model: text,
      threads: text,
      out: text,
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

async function collect(
  model: Model,
  values: Options,
  signal: AbortSignal,
): Promise<CoverageRow[]> {
  const methods = await methodList(values.methods);
  const chunkTokens = wholeNumber("chunk", values.chunk, 1);
  return await collected(
    values,
    signal,
    (texts) => coverage(model, { ...texts, methods, chunkTokens }),
  );
}

/** The heads of one method. */
interface Group {
  readonly name: string;
  readonly rows: readonly CoverageRow[];
}

function groupsOf(rows: readonly CoverageRow[]): Group[] {
  const groups = Map.groupBy(rows, (row) => `${row.method} ${row.methodOptions}`);
  const names = [...groups.values()].map(([row]) => row!.method);
  return [...groups.values()].map((some) => {
    const { method, methodOptions } = some[0]!;
    const isAlone = names.filter((name) => name === method).length === 1;
    const told = methodOptions.replaceAll(/[{}"]/g, "");
    return { name: isAlone ? method : `${method} ${told}`, rows: some };
  });
}

function mean({ rows }: Group, value: (row: CoverageRow) => number): number {
  return rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
}

function share(title: string, value: (row: CoverageRow) => number): Column<Group> {
  return { title, align: "right", cell: (group) => percent(mean(group, value)) };
}

/** Time over that of dense attention, all heads together. */
function time(title: string, value: (row: CoverageRow) => number): Column<Group> {
  const cell = (group: Group) =>
    (mean(group, value) / mean(group, ({ denseMs }) => denseMs)).toFixed(2);
  return { title, align: "right", cell };
}

function summary(rows: readonly CoverageRow[]): string {
  return table(groupsOf(rows), [
    { title: "method", cell: ({ name }) => name },
    share("mass kept", ({ mass }) => mass),
    {
      title: "least",
      align: "right",
      cell: (group) => percent(Math.min(...group.rows.map(({ mass }) => mass))),
    },
    share("output error", ({ error }) => error),
    share("tiles", ({ tileShare }) => tileShare),
    share("estimates", ({ estimateShare }) => estimateShare),
    time("time predicted", ({ predictedMs }) => predictedMs),
    time("measured", ({ attendMs, planMs }) => attendMs + planMs),
  ]);
}

async function run(values: Options): Promise<void> {
  await methodList(values.methods);
  const { out } = values;
  const model = await loadModel(values.model, new ProgressLine(), threadsOption(values.threads));
  try {
    await interruptible(async (signal) => {
      const rows = await collect(model, values, signal);
      if (out !== undefined) await writeCoverage(out, rows);
      console.log(summary(rows));
      console.log("\nMeans over heads. Times are over that of dense attention, planning included.");
    });
  } finally {
    model.close();
  }
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text.length === 0) throw new Error("Cannot cover a text without --text FILE");
  await run(values);
}

if (import.meta.main) await main();
