/**
 * How often attention methods answer rightly, by task, length and depth, and what that costs them.
 *
 *     deno task eval [--tasks magic-number,keeper] [--lengths 1024,4096] [--methods dense,streaming,retrieval]
 *     deno task eval --tasks ruler,kv
 *
 * Answers are written while they come; the same command again goes on where it was stopped.
 */
import { parseArgs } from "node:util";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { Model } from "../engine/model.ts";
import type { Answerer } from "../eval/answerer.ts";
import { EvalLog } from "../eval/eval_log.ts";
import type { EvalRow } from "../eval/eval_row.ts";
import { type EvalProgress, evaluate, type EvaluateOptions } from "../eval/evaluate.ts";
import { grammarFiller, textFiller } from "../eval/fillers.ts";
import { readKeyValues } from "../eval/rows/key_values.ts";
import { readRuler } from "../eval/rows/ruler.ts";
import { sessionAnswerer } from "../eval/session_answerer.ts";
import { summarize, type SummaryRow } from "../eval/summary.ts";
import type { Task } from "../eval/task.ts";
import { TASKS } from "../eval/tasks/all.ts";
import { command } from "./command.ts";
import { bytes, duration, percent } from "./format.ts";
import { interruptible } from "./interruptible.ts";
import { loadModel, threadsOption } from "./load_model.ts";
import { methodLabel } from "./method_label.ts";
import { methodList } from "./method_list.ts";
import { modelName } from "./model_name.ts";
import { unknown, wholeNumber, wholeNumbers } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { type Column, table } from "./table.ts";

const USAGE = `Options of deno task eval:
  --tasks LIST      tasks, divided by commas (all that need no file):
                    ${TASKS.map(({ name }) => name).join(", ")},
                    and of rows in files: ruler, kv
  --lengths LIST    tokens of the texts (1024,2048,4096)
  --methods LIST    methods, options after colons (dense,streaming,retrieval);
                    for example retrieval:topK=64:window=256, minference:file=heads.json, or, with
                    what each head is to do, retrieval:tail=clusters:heads=heads.json
  --questions N     questions for each task, length and method (200); the pass key, which needs a text
                    for each question, is asked a fifth of them
  --seed N          seed of the questions (0)
  --file PATH       hide the facts in this text instead of our own grammar
  --rows FOLDER     where the rows of ruler and kv are (../shared/data/tasks)
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --chat            put texts and questions by the model's chat template
  --chunk N         tokens that are planned together in a prefill (${CHUNK_TOKENS})
  --threads N       threads of the native library (the cores there are)
  --out FILE        Arrow IPC stream of the answers (eval.arrow)
  --no-resume       start the file anew
  --depths          also print the table by depth`;

/** Files of rows, below the folder of --rows. */
const RULER = ["niah_single_1", "niah_single_2", "niah_multikey_1", "niah_multiquery", "vt", "fwe"];
const KEY_VALUES = "kv-retrieval-75_keys.jsonl.gz";

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    args: Deno.args,
    allowNegative: true,
    options: {
      tasks: { ...text, default: TASKS.map(({ name }) => name).join(",") },
      lengths: { ...text, default: "1024,2048,4096" },
      methods: { ...text, default: "dense,streaming,retrieval" },
      questions: { ...text, default: "200" },
      seed: { ...text, default: "0" },
      file: text,
      rows: { ...text, default: "../shared/data/tasks" },
      model: text,
      chunk: { ...text, default: `${CHUNK_TOKENS}` },
      threads: text,
      out: { ...text, default: "eval.arrow" },
      resume: { type: "boolean", default: true },
      depths: { type: "boolean" },
      chat: { type: "boolean", default: false },
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

async function tasksOf({ tasks, rows }: Options): Promise<Task[]> {
  const found: Task[] = [];
  for (const name of tasks.split(",").map((part) => part.trim())) {
    found.push(...await tasksNamed(name, rows));
  }
  return found;
}

async function tasksNamed(name: string, folder: string): Promise<Task[]> {
  if (name === "kv") return [await readOr(`${folder}/${KEY_VALUES}`, readKeyValues)].flat();
  if (name === "ruler") {
    const read = RULER.map((file) => readOr(`${folder}/ruler-4k/${file}.jsonl`, readRuler));
    return (await Promise.all(read)).flat();
  }
  const task = TASKS.find((task) => task.name === name);
  if (task) return [task];
  throw unknown("--tasks", [...TASKS.map(({ name }) => name), "ruler", "kv"], name);
}

async function readOr(
  path: string,
  read: (path: string) => Promise<Task | null>,
): Promise<Task[]> {
  const task = await read(path);
  if (task) return [task];
  console.error(`Skipped: there is no ${path}`);
  return [];
}

/** Removes a file of answers, and no other. */
async function discard(path: string): Promise<void> {
  await (await EvalLog.open(path)).close();
  await Deno.remove(path);
}

async function openLog({ out, resume }: Options): Promise<EvalLog> {
  if (!resume) await discard(out);
  const log = await EvalLog.open(out);
  if (log.droppedBytes > 0) console.error(`${out}: the last ${log.droppedBytes} bytes were torn`);
  if (log.length > 0) console.error(`${out} has ${log.length} answers; those asked for stand`);
  return log;
}

const points = (share: number) => `${share < 0 ? "" : "+"}${(100 * share).toFixed(1)}`;

function right({ share, interval: { low, high } }: SummaryRow): string {
  return `${percent(share)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
}

function againstDense({ difference, cannot }: SummaryRow): string {
  if (cannot) return "the model cannot";
  if (!difference) return "";
  return `${points(difference.difference)} [${points(difference.low)}, ${points(difference.high)}]`;
}

function setting(rows: readonly SummaryRow[]): Column<SummaryRow>[] {
  return [
    { title: "task", cell: (row) => row.task },
    { title: "asked", align: "right", cell: (row) => `${row.tokensAsked || "-"}` },
    { title: "tokens", align: "right", cell: (row) => row.tokens.toFixed(0) },
    { title: "method", cell: (row) => methodLabel(row, rows) },
  ];
}

function columns(rows: readonly SummaryRow[]): Column<SummaryRow>[] {
  return [
    ...setting(rows),
    { title: "n", align: "right", cell: (row) => `${row.questions}` },
    { title: "right [95 %]", align: "right", cell: right },
    { title: "minus dense [95 %]", align: "right", cell: againstDense },
    { title: "scanned", align: "right", cell: (row) => percent(row.scannedShare) },
    { title: "attended", align: "right", cell: (row) => percent(row.attendedShare) },
    { title: "ms/token", align: "right", cell: (row) => row.msPerToken.toFixed(1) },
    { title: "KV on fast tier", align: "right", cell: (row) => bytes(row.residentBytes) },
  ];
}

/** A line for each task, length and method, a column for each tenth of the text. */
function depthTable(rows: readonly EvalRow[]): string {
  const places = summarize(rows, { byDepth: true });
  const name = (row: SummaryRow) =>
    JSON.stringify([row.task, row.tokensAsked, row.method, row.methodOptions]);
  const lines = Map.groupBy(places, name);
  const depths = [...new Set(places.map(({ depth }) => depth!))].sort((a, b) => a - b);
  const first = [...lines.values()].map((line) => line[0]!);
  return table(first, [
    ...setting(first),
    ...depths.map((depth): Column<SummaryRow> => ({
      title: depth.toFixed(2),
      align: "right",
      cell: (row) => share(lines.get(name(row))!.find((place) => place.depth === depth)),
    })),
  ]);
}

function share(place: SummaryRow | undefined): string {
  if (!place) return "";
  const text = (100 * place.share).toFixed(0);
  return place.cannot ? `(${text})` : text;
}

function print(rows: readonly EvalRow[], { depths }: Options): void {
  const all = summarize(rows);
  console.log(table(all, columns(all)));
  console.log(
    "\nDifferences are in points. Scanned: keys scored to select; attended: keys in the softmax; both of all keys," +
      "\nper head and generated token. Where dense attention reaches less than 80 %, a comparison does not count.",
  );
  if (!depths) return;
  console.log(
    `\nRight by depth, in %; in brackets where dense attention reaches less than 80 %:\n`,
  );
  console.log(depthTable(rows));
}

async function collect(
  answerer: Answerer,
  asked: EvaluateOptions,
  log: EvalLog,
): Promise<EvalRow[]> {
  const rows: EvalRow[] = [];
  const line = new ProgressLine();
  const onProgress = ({ share, msLeft, what }: EvalProgress) =>
    line.update(share, `${msLeft === null ? "" : `${duration(msLeft)} left  `}${what}`);
  try {
    await interruptible(async (signal) => {
      const options = { ...asked, log, onProgress, signal };
      for await (const row of evaluate(answerer, options)) rows.push(row);
    });
  } finally {
    line.clear();
  }
  return rows;
}

async function answererOf(model: Model, { chat, chunk }: Options): Promise<Answerer> {
  const chunkTokens = wholeNumber("chunk", chunk, 1);
  const setting = `${chat ? "chat " : ""}chunks of ${chunkTokens}`;
  const name = `${await modelName(model.path)} ${model.backend} ${setting}`;
  return sessionAnswerer(model, { name, chat, chunkTokens });
}

async function askedFor(model: Model, values: Options): Promise<EvaluateOptions> {
  const { lengths, methods, questions, seed, file } = values;
  return {
    tasks: await tasksOf(values),
    lengths: wholeNumbers("lengths", lengths, 1),
    methods: await methodList(methods),
    questions: wholeNumber("questions", questions, 1),
    seed: wholeNumber("seed", seed),
    tokenizer: model.tokenizer,
    filler: file === undefined ? grammarFiller : textFiller(await Deno.readTextFile(file)),
  };
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  await methodList(values.methods);
  const line = new ProgressLine();
  const model = await loadModel(values.model, line, threadsOption(values.threads));
  try {
    // Before the log is opened: options that are refused leave no file.
    const [answerer, asked] = [await answererOf(model, values), await askedFor(model, values)];
    const log = await openLog(values);
    const rows = await collect(answerer, asked, log).finally(() => log.close());
    if (Deno.exitCode === 130) console.error("Stopped; the same command goes on from here.\n");
    if (rows.length > 0) print(rows, values);
  } finally {
    model.close();
  }
}

if (import.meta.main) await command("eval", main);
