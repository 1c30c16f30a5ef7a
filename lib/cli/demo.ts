/**
 * The main job on the command line: a long text, questions about it, and what dense, streaming and retrieval attention
 * answer.
 *
 *     deno task demo [--tokens 4096] [--facts 4] [--seed 1] [--model PATH|org/name[@revision]]
 *     deno task demo --file TEXT --question QUESTION
 */
import { parseArgs } from "node:util";
import { methods } from "../attention/methods.ts";
import type { Model } from "../engine/model.ts";
import { compareMethods, type MethodAnswer } from "../eval/compare_methods.ts";
import { makeFacts } from "../eval/facts.ts";
import { haystack } from "../eval/haystack.ts";
import type { Question } from "../eval/question.ts";
import { sessionAnswerer } from "../eval/session_answerer.ts";
import { command } from "./command.ts";
import { bytes, percent } from "./format.ts";
import { loadModel } from "./load_model.ts";
import { wholeNumber } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { type Column, table } from "./table.ts";

/** What the demo reads and asks. */
interface Job {
  readonly context: string;
  readonly questions: readonly Question[];
}

const USAGE = `Options of deno task demo:
  --tokens N       length of the haystack in tokens (4096)
  --facts N        facts hidden in it (4)
  --seed N         seed of the haystack (1)
  --file PATH      read this text instead of a haystack
  --question TEXT  ask this about the file; may be given several times
  --model REF      a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --threads N      threads of the native library (the cores there are)`;

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    args: Deno.args,
    options: {
      tokens: { ...text, default: "4096" },
      facts: { ...text, default: "4" },
      seed: { ...text, default: "1" },
      file: text,
      question: { ...text, multiple: true },
      model: text,
      threads: text,
      help: { type: "boolean" },
    },
  }).values;
}

function haystackJob(model: Model, tokens: number, facts: number, seed: number): Job {
  const { text, facts: placed } = haystack({
    tokens,
    tokenizer: model.tokenizer,
    facts: makeFacts(facts, { seed }),
    seed,
  });
  const questions = placed.map(({ question, value }) => ({
    text: question,
    template: null,
    values: [value],
  }));
  return { context: text, questions };
}

async function fileJob(path: string, questions: readonly string[]): Promise<Job> {
  if (questions.length === 0) throw new Error("Cannot ask about a file without --question");
  const asked = questions.map((text) => ({ text, values: null }));
  return { context: await Deno.readTextFile(path), questions: asked };
}

const oneLine = (text: string) => text.trim().replace(/\s+/g, " ");
const short = (text: string, most: number) =>
  text.length > most ? text.slice(0, most - 3) + "..." : text;
const verdict = (right: boolean | null) => right === null ? "-" : right ? "right" : "wrong";

const COLUMNS: readonly Column<MethodAnswer>[] = [
  { title: "method", cell: (row) => row.method.name },
  {
    title: "question",
    cell: (row) => short(oneLine(row.question.text).replace(/^Question: | Answer:$/g, ""), 48),
  },
  { title: "answer", cell: (row) => short(oneLine(row.text), 56) },
  { title: "", cell: (row) => verdict(row.right) },
  { title: "ms/token", align: "right", cell: (row) => row.msPerToken.toFixed(1) },
  { title: "scanned keys", align: "right", cell: (row) => row.scanned.toFixed(0) },
  { title: "%", align: "right", cell: (row) => percent(row.scanned / row.keys) },
  { title: "attended keys", align: "right", cell: (row) => row.attended.toFixed(0) },
  { title: "%", align: "right", cell: (row) => percent(row.attended / row.keys) },
  { title: "KV on fast tier", align: "right", cell: (row) => bytes(row.residentBytes) },
];

function summary(answers: readonly MethodAnswer[]): string {
  const names = [...new Set(answers.map(({ method }) => method.name))];
  return names.map((name) => {
    const known = answers.filter(({ method, right }) => method.name === name && right !== null);
    return `${name} ${known.filter(({ right }) => right).length} of ${known.length} right`;
  }).join(", ");
}

/** Options with their numbers checked. */
function checkedOptions() {
  const { tokens, facts, seed, threads, ...others } = options();
  if (others.question && others.file === undefined) {
    throw new RangeError(
      "Cannot ask --question without --file: a haystack brings its own questions",
    );
  }
  return {
    ...others,
    tokens: wholeNumber("tokens", tokens),
    facts: wholeNumber("facts", facts),
    seed: wholeNumber("seed", seed),
    ...(threads === undefined ? {} : { threads: wholeNumber("threads", threads) }),
  };
}

async function demo(): Promise<void> {
  const { tokens, facts, seed, file, question, model: ref, threads, help } = checkedOptions();
  if (help) return console.log(USAGE);
  const line = new ProgressLine();
  const model = await loadModel(ref, line, threads === undefined ? {} : { threads });
  const job = file === undefined
    ? haystackJob(model, tokens, facts, seed)
    : await fileJob(file, question ?? []);
  const length = model.tokenizer.encode(job.context, { bos: true }).length;
  console.log(
    `${length} tokens of context, ${job.questions.length} questions, ${model.backend} backend\n`,
  );
  const answers: MethodAnswer[] = [];
  const compared = [methods.dense(), methods.streaming(), methods.retrieval()];
  const onProgress = ({ share, method, what }: { share: number; method: string; what: string }) =>
    line.update(share, `${method}: ${what}`);
  for await (
    const answer of compareMethods(sessionAnswerer(model), job.context, job.questions, compared, {
      onProgress,
    })
  ) {
    answers.push(answer);
  }
  line.clear();
  console.log(table(answers, COLUMNS));
  console.log(
    "\nKeys are per head and token. Scanned: scored to select. Attended: in the softmax.",
  );
  if (file === undefined) console.log(summary(answers));
  model.close();
}

if (import.meta.main) await command("demo", demo);
