/**
 * How fast the kernels are: as a share of what this machine can do, and beside what one would use instead.
 *
 *     deno task bench [--filter "dense prefill d=128"] [--json bench.json] [--svg roofline.svg]
 *     deno task bench --full
 *     deno task bench --models [--model FILE.gguf] [--json bench.json]
 *
 * A developer's tool: it needs a checkout, and is no part of the published package.
 */
import { parseArgs } from "node:util";
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { casesOf, filtered, nameOf } from "../bench/cases.ts";
import { BENCH_FIELDS, tableRows } from "../bench/bench_table.ts";
import { machineText } from "../bench/machine.ts";
import { PEERS } from "../bench/peers/peers.ts";
import { STORED_RESULT, withTable } from "../bench/readme.ts";
import { ceilingLines, comparedRows, KERNEL_COLUMNS, legend } from "../bench/report.ts";
import { peerColumnsFor, remarks } from "../bench/report.ts";
import { type BenchResult, parseResult, resultText, withModels } from "../bench/result.ts";
import { rooflineOf } from "../bench/roofline_of.ts";
import type { ModelCase } from "../bench/models/model_case.ts";
import { modelCaseName } from "../bench/models/model_case.ts";
import { type BenchOptions, type BenchProgress, runBench } from "../bench/run_bench.ts";
import { DEFAULT_SIZES, FULL_SIZES } from "../bench/sizes.ts";
import { roofline } from "../plot/roofline.ts";
import { ArrowStream } from "../trace/arrow_stream.ts";
import { measureModels, modelCasesFor, printModels } from "./bench_models.ts";
import { command } from "./command.ts";
import { duration } from "./format.ts";
import { wholeNumber } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { table } from "./table.ts";

const SECONDS = { default: 300, full: 7200, models: 7200 };

const USAGE = `Options of deno task bench:
  --models          whole models beside llama.cpp: reading 512 to 32K tokens, and generating behind them
  --model FILE      a GGUF file for --models, as often as you like (those in the folder that
                    LONGLENS_TEST_MODELS names)
  --full            contexts to 128K tokens, heads of 256, groups to 8 (to 16K, 128, 1 and 4)
  --filter TEXT     only cases in whose kernel and shape every word of TEXT occurs
  --list            print the cases and measure nothing
  --seconds N       time it may take (${SECONDS.default}, with --full ${SECONDS.full}, with --models
                    ${SECONDS.models}); a short run leaves out large working sets and slow cases
  --threads N       threads of everybody (the cores there are)
  --no-peers        compare with nothing else
  --json FILE       write the result there; models stand in it beside the kernels of an older result
  --arrow FILE      append rows to this Arrow IPC stream while they come
  --svg FILE        draw the roofline: .svg, .png or .html
  --readme FILE     measure nothing: write the tables of the result of --json
                    (lib/bench/result.json) between their marks in FILE`;

function options() {
  const [text, flag] = [{ type: "string" }, { type: "boolean", default: false }] as const;
  return parseArgs({
    args: Deno.args,
    allowNegative: true,
    options: {
      ...{ models: flag, model: { ...text, multiple: true, default: [] as string[] } },
      ...{ full: flag, list: flag, help: flag, peers: { type: "boolean", default: true } },
      ...{ filter: { ...text, default: "" }, seconds: text, threads: text },
      ...{ json: text, arrow: text, svg: text, readme: text },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

function casesFor({ full, filter }: Options): BenchOptions["cases"] {
  const all = casesOf(full ? FULL_SIZES : DEFAULT_SIZES);
  const found = filtered(all, filter);
  if (found.length > 0) return found;
  throw new RangeError(
    `Cannot run as --filter must leave >= 1 of the ${all.length} cases that --list prints: ` +
      `current value is ${filter}`,
  );
}

function secondsOf({ seconds, full, models }: Options): number {
  if (seconds === undefined && models) return SECONDS.models;
  if (seconds === undefined) return full ? SECONDS.full : SECONDS.default;
  return wholeNumber("seconds", seconds, 1);
}

function checkFigure({ svg }: Options): void {
  if (svg === undefined || /\.(svg|png|html)$/i.test(svg)) return;
  throw new RangeError(
    `Cannot run as --svg must end in .svg, .png or .html: current value is ${svg}`,
  );
}

function checkModels({ full, arrow, svg }: Options): void {
  const wrong = Object.entries({ full, arrow, svg }).find(([, value]) => value);
  if (wrong === undefined) return;
  throw new RangeError(
    `Cannot run as --models takes no --${wrong[0]}: current value is ${wrong[1]}`,
  );
}

/** What a measurement is given. */
interface Measuring {
  readonly backend: Backend;
  readonly seconds: number;
  readonly peers: boolean;
  readonly onProgress: (progress: BenchProgress) => void;
  readonly signal: AbortSignal;
}

/** Measures until it is done or interrupted. */
async function measured<Result>(
  values: Options,
  work: (measuring: Measuring) => Promise<Result>,
): Promise<Result> {
  const seconds = secondsOf(values);
  const threads = values.threads === undefined
    ? {}
    : { threads: wholeNumber("threads", values.threads, 1) };
  const line = new ProgressLine();
  const backend = await openBackend({
    backend: "cpu",
    ...threads,
    onProgress: ({ done, total, step }) => line.update(done / total, `building: ${step}`),
  });
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const onProgress = (progress: BenchProgress) => show(line, progress);
    const { peers } = values;
    return await work({ backend, seconds, peers, onProgress, signal: stop.signal });
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    line.clear();
  }
}

async function measureKernels(values: Options): Promise<BenchResult> {
  const cases = casesFor(values);
  checkFigure(values);
  const older = await olderResult(values);
  const result = await measured(values, async ({ peers, ...measuring }) => {
    const stream = await openStream(values);
    const startedAt = new Date().toISOString();
    try {
      return await runBench({
        ...{ ...measuring, cases, peers: peers ? PEERS : [] },
        onRow: (row) => stream?.append(tableRows(row, startedAt)),
      });
    } finally {
      stream?.close();
    }
  });
  return { ...result, models: older?.models ?? null };
}

async function measureWholeModels(values: Options, cases: readonly ModelCase[]) {
  checkModels(values);
  const older = await olderResult(values);
  return withModels(
    older,
    await measured(values, (measuring) => measureModels({ ...measuring, cases })),
  );
}

/** What stands in the file that the result goes to; null where there is none. */
async function olderResult({ json }: Options): Promise<BenchResult | null> {
  if (json === undefined) return null;
  try {
    return await parseResult(await Deno.readTextFile(json), json);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function openStream({ arrow }: Options): Promise<ArrowStream | null> {
  return arrow === undefined ? null : await ArrowStream.open(arrow, BENCH_FIELDS);
}

function show(line: ProgressLine, { share, msLeft, what }: BenchProgress): void {
  line.update(share, `${msLeft === null ? "" : `${duration(msLeft)} left  `}${what}`);
}

function print(result: BenchResult): void {
  console.log(`${machineText(result.machine)}\n\n${ceilingLines(result).join("\n")}\n`);
  const { rows } = result;
  const compared = comparedRows(rows);
  if (rows.length > 0) console.log(`${table(rows, KERNEL_COLUMNS)}\n\n${legend(rows)}\n`);
  if (compared.length > 0) console.log(`${table(compared, peerColumnsFor(compared))}\n`);
  for (const remark of remarks(result)) console.log(remark);
}

async function store(result: BenchResult, { json, svg }: Options): Promise<void> {
  if (json !== undefined) await Deno.writeTextFile(json, resultText(result));
  const data = svg === undefined ? null : rooflineOf(result);
  if (data) await roofline(data).save(svg!);
}

async function writeReadme(path: string, { json }: Options): Promise<void> {
  const file = json ?? STORED_RESULT;
  const result = await parseResult(await Deno.readTextFile(file), `${file}`);
  await Deno.writeTextFile(path, withTable(await Deno.readTextFile(path), result));
}

async function models(values: Options): Promise<void> {
  const cases = await modelCasesFor(values);
  if (values.list) return console.log(cases.map(modelCaseName).join("\n"));
  const result = await measureWholeModels(values, cases);
  await store(result, values);
  printModels(result.models!);
  if (!result.models!.finished) Deno.exitCode = 130;
}

async function kernels(values: Options): Promise<void> {
  if (values.list) return console.log(casesFor(values).map(nameOf).join("\n"));
  const result = await measureKernels(values);
  await store(result, values);
  print(result);
  if (!result.finished) Deno.exitCode = 130;
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.readme !== undefined) return await writeReadme(values.readme, values);
  await (values.models ? models(values) : kernels(values));
}

if (import.meta.main) await command("bench", main);
