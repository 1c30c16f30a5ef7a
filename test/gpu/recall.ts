/** How often the embedded model answers rightly on the CPU and on CUDA: prints a line of JSON for each pair of rows. */
import type { Compute } from "../../ffi/backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import { Model } from "../../lib/engine/model.ts";
import { evaluate } from "../../lib/eval/evaluate.ts";
import { sessionAnswerer } from "../../lib/eval/session_answerer.ts";
import { summarize, type SummaryRow } from "../../lib/eval/summary.ts";
import { TASKS } from "../../lib/eval/tasks/all.ts";

const LENGTHS = [1024, 2048];
const QUESTIONS = 40;

/** One method on one task and length, on both backends. */
export interface RecallPair {
  /** What products are of. */
  readonly compute: Compute;
  /** Task, tokens and method. */
  readonly what: string;
  /** Questions. */
  readonly questions: number;
  /** Share of right answers. */
  readonly cpu: number;
  /** Share of right answers. */
  readonly cuda: number;
}

async function recall(backend: "cpu" | "cuda", compute: Compute): Promise<SummaryRow[]> {
  const kinds = compute === "f32" ? { weights: "f32", kv: "f32" } as const : {};
  const model = await Model.load(undefined, { backend, precision: { ...kinds, compute } });
  const rows = [];
  const options = {
    tasks: TASKS.slice(0, 2),
    methods: [methods.dense(), methods.streaming(), methods.retrieval()],
    lengths: LENGTHS,
    questions: QUESTIONS,
    tokenizer: model.tokenizer,
  };
  for await (const row of evaluate(sessionAnswerer(model), options)) rows.push(row);
  model.close();
  return summarize(rows);
}

function whatOf({ task, tokensAsked, method }: SummaryRow): string {
  return `${task} ${tokensAsked} ${method}`;
}

for (const compute of ["f32", "bf16"] as const) {
  const cuda = new Map((await recall("cuda", compute)).map((row) => [whatOf(row), row.share]));
  for (const row of await recall("cpu", compute)) {
    const [what, questions] = [whatOf(row), row.questions];
    const pair: RecallPair = { compute, what, questions, cpu: row.share, cuda: cuda.get(what)! };
    console.log(JSON.stringify(pair));
  }
}
