/** Runs tasks by length and method, the same questions for every method. */
import type { Method } from "../attention/method.ts";
import { throwIfAborted } from "../engine/run.ts";
import type { Answerer } from "./answerer.ts";
import { compareMethods, type MethodAnswer } from "./compare_methods.ts";
import { EvalLog } from "./eval_log.ts";
import type { EvalKey, EvalRow } from "./eval_row.ts";
import { grammarFiller } from "./fillers.ts";
import type { TokenCounter } from "./haystack.ts";
import { DEPTHS, type Filler, type Task, type TaskCase, type TaskQuestion } from "./task.ts";

/** What is being done, and how long it will take. */
export interface EvalProgress {
  /** Part of the work of this run that is done, 0 to 1. */
  readonly share: number;
  /** Milliseconds left, by the pace so far; `null` before anything is done. */
  readonly msLeft: number | null;
  /** Task, length, method and what it does. */
  readonly what: string;
}

/** What to run. */
export interface EvaluateOptions {
  /** The tasks. */
  readonly tasks: readonly Task[];
  /** Attention methods; the one named `dense` is what the others are compared with. */
  readonly methods: readonly Method[];
  /** Counts tokens of texts that are made. */
  readonly tokenizer: TokenCounter;
  /**
   * Tokens of the texts that are made; texts that are read have a length of their own.
   * @default [1024, 2048, 4096]
   */
  readonly lengths?: readonly number[];
  /**
   * Questions for each task, length and method, rounded up to whole texts; fewer where a task says so or its file
   * ends.
   * @default 200
   */
  readonly questions?: number;
  /**
   * The same seed gives the same questions.
   * @default 0
   */
  readonly seed?: number;
  /**
   * Text between the facts.
   * @default grammarFiller
   */
  readonly filler?: Filler;
  /**
   * Where facts are hidden.
   * @default DEPTHS
   */
  readonly depths?: readonly number[];
  /**
   * Holds rows that need not be made again, and takes the others in.
   * @default a log in memory
   */
  readonly log?: EvalLog;
  /** Called as the work goes on. */
  readonly onProgress?: (progress: EvalProgress) => void;
  /** Stops the run; what was answered is in the log. */
  readonly signal?: AbortSignal;
}

/** Part of a row's key that says what is asked. */
type CaseKey = Pick<EvalKey, "model" | "setup" | "task" | "tokensAsked" | "seed" | "index">;

interface Job {
  readonly task: Task;
  readonly key: CaseKey;
  readonly earlier: readonly EvalRow[];
  /** Estimated cost of what is missing. */
  readonly weight: number;
}

type Filled = Required<Omit<EvaluateOptions, "signal">> & Pick<EvaluateOptions, "signal">;

/** Changes with what the tasks ask, so that stored rows are not taken for answers to other questions. */
const TASKS_VERSION = 1;

/** For progress only, where a text's length is not known before. */
const TYPICAL_TOKENS = 4096;

/**
 * Yields a row for every task, length, question and method: first those of a case that the log has, then the new
 * ones. A text is read once for all methods that do not govern prefill and once for each that does.
 *
 * @throws {CancelledError} when `signal` is aborted
 */
export async function* evaluate(
  answerer: Answerer,
  options: EvaluateOptions,
): AsyncGenerator<EvalRow, void> {
  const filled = withDefaults(options);
  const jobs = jobsOf(answerer, filled);
  const clock = new Clock(jobs, filled.onProgress);
  try {
    for (const job of jobs) {
      throwIfAborted(filled.signal);
      yield* job.earlier;
      if (job.weight > 0) yield* run(answerer, job, filled, clock);
    }
  } finally {
    await filled.log.flush();
  }
}

function withDefaults(options: EvaluateOptions): Filled {
  const { questions = 200 } = options;
  if (!(Number.isSafeInteger(questions) && questions >= 1)) {
    throw new RangeError(
      `Cannot evaluate as questions must be a whole number >= 1: current value is ${questions}`,
    );
  }
  return {
    lengths: [1024, 2048, 4096],
    questions,
    seed: 0,
    filler: grammarFiller,
    depths: DEPTHS,
    log: EvalLog.inMemory(),
    onProgress: () => {},
    ...options,
  };
}

function jobsOf(answerer: Answerer, options: Filled): Job[] {
  const { tasks, lengths, seed, filler, depths } = options;
  const setup = JSON.stringify({ version: TASKS_VERSION, filler: filler.name, depths });
  return tasks.flatMap((task) =>
    (task.cases === undefined ? lengths : [0]).flatMap((tokensAsked) =>
      Array.from({ length: casesOf(task, options) }, (_, index) => {
        const key = { model: answerer.name, setup, task: task.name, tokensAsked, seed, index };
        return jobOf(task, key, options);
      })
    )
  );
}

function casesOf(task: Task, { questions, depths }: Filled): number {
  const wanted = task.casesFor?.(questions, depths) ??
    Math.ceil(questions / task.questions(depths));
  return Math.min(task.cases ?? Infinity, wanted);
}

function jobOf(task: Task, key: CaseKey, { methods, depths, log }: Filled): Job {
  const asked = task.questions(depths);
  const earlier: EvalRow[] = [];
  let missing = 0, shared = 0, own = 0;
  for (const method of methods) {
    const rows = Array.from(
      { length: asked },
      (_, question) => log.find(keyOf(key, method, question)),
    )
      .filter((row) => row !== undefined);
    earlier.push(...rows);
    missing += asked - rows.length;
    if (rows.length < asked) method.governsPrefill ? own++ : shared = 1;
  }
  const tokens = key.tokensAsked || TYPICAL_TOKENS;
  // Fitted to the embedded model on two cores: milliseconds times ten.
  const weight = (own + shared) * tokens * (1 + tokens / 4096) + missing * (600 + tokens / 12);
  return { task, key, earlier, weight };
}

function keyOf(key: CaseKey, method: Method, question: number): EvalKey {
  return {
    ...key,
    question,
    method: method.name,
    methodOptions: JSON.stringify(method.options),
  };
}

async function* run(
  answerer: Answerer,
  job: Job,
  options: Filled,
  clock: Clock,
): AsyncGenerator<EvalRow, void> {
  const { task, key } = job;
  const { methods, log, signal } = options;
  const { context, questions } = makeCase(job, options);
  const place = `${task.name}${key.tokensAsked ? `, ${key.tokensAsked} tokens` : ""}, text ${
    key.index + 1
  }`;
  const answers = compareMethods(answerer, context, questions, methods, {
    signal,
    skip: (method, number) => log.find(keyOf(key, method, number)) !== undefined,
    onProgress: ({ method, what, share }) => clock.tell(share, job, `${place}, ${method}: ${what}`),
  });
  for await (const answer of answers) {
    const row = rowOf(key, answer, questions[answer.number]!);
    await log.append(row);
    yield row;
  }
  clock.done(job);
}

function makeCase({ task, key }: Job, { tokenizer, filler, depths }: Filled): TaskCase {
  const { tokensAsked: tokens, seed, index } = key;
  const made = task.make({ tokens, seed, index, tokenizer, filler, depths });
  if (made.questions.length === task.questions(depths)) return made;
  throw new RangeError(
    `Cannot run task ${task.name} as it must ask ${task.questions(depths)} questions: ` +
      `current value is ${made.questions.length}`,
  );
}

function rowOf(key: CaseKey, answer: MethodAnswer, question: TaskQuestion): EvalRow {
  const { text, tokens, contextTokens, score, right, method, number } = answer;
  const { scanned, attended, keys, msPerToken, residentBytes } = answer;
  return {
    ...keyOf(key, method, number),
    tokens: contextTokens,
    kind: question.kind,
    depth: question.depth,
    answer: text,
    expected: JSON.stringify(question.values),
    score: score!,
    right: right!,
    answerTokens: tokens,
    scanned,
    attended,
    keys,
    msPerToken,
    residentBytes,
  };
}

/** Estimates the time left from the pace so far. */
class Clock {
  readonly #began = performance.now();
  readonly #total: number;
  readonly #onProgress: (progress: EvalProgress) => void;
  #done = 0;

  constructor(jobs: readonly Job[], onProgress: (progress: EvalProgress) => void) {
    this.#total = jobs.reduce((sum, job) => sum + job.weight, 0);
    this.#onProgress = onProgress;
  }

  tell(share: number, { weight }: Job, what: string): void {
    const done = this.#done + share * weight;
    const ms = performance.now() - this.#began;
    const msLeft = done > 0 ? ms * (this.#total - done) / done : null;
    this.#onProgress({ share: done / this.#total, msLeft, what });
  }

  done({ weight }: Job): void {
    this.#done += weight;
  }
}
