/**
 * What attention methods keep and compute of a text's attention, beside dense attention.
 *
 *     deno task coverage --text FILE --length 8192 --methods adaptive,xAttention:threshold=0.9
 */
import { parseArgs } from "node:util";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import { coverage } from "../eval/coverage.ts";
import { type CoverageRow, writeCoverage } from "../eval/coverage_row.ts";
import { reportTexts } from "./collected.ts";
import { command } from "./command.ts";
import { type HeadGroup, headMean, leastColumn, meanColumn } from "./head_means.ts";
import { methodList } from "./method_list.ts";
import { wholeNumber } from "./option_values.ts";
import { type Column, table } from "./table.ts";

const USAGE = `Options of deno task coverage:
  --text FILE       what is read; may be given several times
  --length N        tokens of each text (8192)
  --methods LIST    methods, options after colons
                    (adaptive,verticalSlash,blockSparse,flexPrefill:denseBelow=0,xAttention,aShape)
  --chunk N         tokens that are planned together (${CHUNK_TOKENS})
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
        default: "adaptive,verticalSlash,blockSparse,flexPrefill:denseBelow=0,xAttention,aShape",
      },
      chunk: { ...text, default: `${CHUNK_TOKENS}` },
      model: text,
      threads: text,
      out: text,
      help: { type: "boolean" },
    },
  }).values;
}

/** The heads of one method. */
type Group = HeadGroup<CoverageRow>;

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

/** Time over that of dense attention, all heads together. */
function time(title: string, value: (row: CoverageRow) => number): Column<Group> {
  const cell = (group: Group) =>
    (headMean(group, value) / headMean(group, ({ denseMs }) => denseMs)).toFixed(2);
  return { title, align: "right", cell };
}

function summary(rows: readonly CoverageRow[]): string {
  const means = table<Group>(groupsOf(rows), [
    { title: "method", cell: ({ name }) => name },
    meanColumn("mass kept", ({ mass }) => mass),
    leastColumn("least", ({ mass }) => mass),
    meanColumn("output error", ({ error }) => error),
    meanColumn("tiles", ({ tileShare }) => tileShare),
    meanColumn("estimates", ({ estimateShare }) => estimateShare),
    time("time predicted", ({ predictedMs }) => predictedMs),
    time("measured", ({ attendMs, planMs }) => attendMs + planMs),
  ]);
  return `${means}\n\n` +
    "Means over heads. Times are over that of dense attention, planning included.";
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text.length === 0) throw new Error("Cannot cover a text without --text FILE");
  const methods = await methodList(values.methods);
  await reportTexts(values, {
    rows: (model, texts) => {
      const chunkTokens = wholeNumber("chunk", values.chunk, 1);
      return coverage(model, { ...texts, methods, chunkTokens });
    },
    write: writeCoverage,
    summary,
  });
}

if (import.meta.main) await command("coverage", main);
