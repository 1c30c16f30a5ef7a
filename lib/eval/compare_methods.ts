/** The same questions over the same context, answered by several attention methods. */
import type { Method } from "../attention/method.ts";
import type { Answer, Answerer, Reading } from "./answerer.ts";
import type { Question } from "./question.ts";
import { scoreAnswer } from "./scoring.ts";

/** One method's answer to one question. */
export interface MethodAnswer extends Answer {
  /** The method. */
  readonly method: Method;
  /** The question. */
  readonly question: Question;
  /** Its place among the questions. */
  readonly number: number;
  /** How right the answer is, 0 to 1; `null` where nobody knows. */
  readonly score: number | null;
  /** Whether it is right altogether; `null` where nobody knows. */
  readonly right: boolean | null;
  /** Tokens of the context. */
  readonly contextTokens: number;
}

/** What is being done. */
export interface CompareProgress {
  /** Name of the method. */
  readonly method: string;
  /** `prefill`, or the number of the question. */
  readonly what: string;
  /** Part of the whole comparison that is done, 0 to 1. */
  readonly share: number;
}

/** Options of {@link compareMethods}. */
export interface CompareOptions {
  /** Called as the work goes on. */
  readonly onProgress?: (progress: CompareProgress) => void;
  /**
   * Questions, by their place, that a method need not answer.
   * @default none
   */
  readonly skip?: (method: Method, number: number) => boolean;
  /** Stops the comparison. */
  readonly signal?: AbortSignal | undefined;
}

/** Prefilling costs about as much as this many answers, for progress only. */
const PREFILL_WEIGHT = 4;

/**
 * Answers every question with every method, each from a fork of the prefilled context. Methods that do not govern
 * prefill share one dense prefill. The question and the answer always go through the method's decode plans.
 */
export async function* compareMethods(
  answerer: Answerer,
  context: string,
  questions: readonly Question[],
  methods: readonly Method[],
  options: CompareOptions = {},
): AsyncGenerator<MethodAnswer, void> {
  const { skip = () => false, signal } = options;
  const asked = methods
    .map((method) => ({
      method,
      numbers: [...questions.keys()].filter((number) => !skip(method, number)),
    }))
    .filter(({ numbers }) => numbers.length > 0);
  const meter = new Meter(asked.map(({ numbers }) => numbers.length), options);
  const readings = new Readings(answerer, context);
  try {
    for (const [place, { method, numbers }] of asked.entries()) {
      const reading = await readings.open(method, {
        signal,
        onProgress: (done, total) =>
          meter.tell(place, method, `prefill ${done} of ${total} tokens`, done / total),
      });
      try {
        for (const [done, number] of numbers.entries()) {
          const question = questions[number]!;
          const answer = await reading.ask(question, { signal });
          yield judged(answer, method, question, number, reading.tokens);
          meter.tell(place, method, `question ${done + 1} of ${numbers.length}`, 1 + done + 1);
        }
      } finally {
        reading.close();
      }
    }
  } finally {
    readings.close();
  }
}

/** Reads a context once for all methods that do not govern prefill, and once for each that does. */
class Readings {
  readonly #answerer: Answerer;
  readonly #context: string;
  #shared: Reading | null = null;

  constructor(answerer: Answerer, context: string) {
    this.#answerer = answerer;
    this.#context = context;
  }

  async open(
    method: Method,
    options: Parameters<Answerer["read"]>[2],
  ): Promise<Reading> {
    if (method.governsPrefill) return await this.#answerer.read(this.#context, method, options);
    this.#shared ??= await this.#answerer.read(this.#context, method, options);
    return this.#shared.fork(method);
  }

  close(): void {
    this.#shared?.close();
  }
}

function judged(
  answer: Answer,
  method: Method,
  question: Question,
  number: number,
  contextTokens: number,
): MethodAnswer {
  const { values, match = "sentence" } = question;
  const score = values === null ? null : scoreAnswer(answer.text, values, match);
  const right = score === null ? null : score === 1;
  return { ...answer, method, question, number, score, right, contextTokens };
}

/** Share of the work that is done. */
class Meter {
  readonly #counts: readonly number[];
  readonly #onProgress: (progress: CompareProgress) => void;

  constructor(counts: readonly number[], { onProgress = () => {} }: CompareOptions) {
    this.#counts = counts;
    this.#onProgress = onProgress;
  }

  /** `done` is the share of the prefill, then 1 and the questions answered. */
  tell(place: number, method: Method, what: string, done: number): void {
    const weigh = (counts: readonly number[]) =>
      counts.reduce((sum, count) => sum + count, counts.length * PREFILL_WEIGHT);
    const here = done <= 1 ? done * PREFILL_WEIGHT : PREFILL_WEIGHT + done - 1;
    const share = (weigh(this.#counts.slice(0, place)) + here) / weigh(this.#counts);
    this.#onProgress({ method: method.name, what, share });
  }
}
