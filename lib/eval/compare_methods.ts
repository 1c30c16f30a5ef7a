/** The same questions over the same context, answered by several attention methods. */
import type { Method } from "../attention/method.ts";
import type { Model } from "../engine/model.ts";
import type { Session } from "../engine/session.ts";
import type { Step } from "../engine/step.ts";
import { isRight } from "./facts.ts";

/** A question, and the value a right answer holds. */
export interface Question {
  /** What is asked. */
  readonly text: string;
  /** How it is put; see `AskOptions.template`. `null` for the text as it is. */
  readonly template?: string | null;
  /** What a right answer holds; `null` where nobody knows. */
  readonly value: string | null;
}

/** One method's answer to one question. */
export interface MethodAnswer {
  /** The method. */
  readonly method: Method;
  /** The question. */
  readonly question: Question;
  /** What it answered. */
  readonly text: string;
  /** Whether that is right; `null` where nobody knows. */
  readonly right: boolean | null;
  /** Tokens generated. */
  readonly tokens: number;
  /** Milliseconds a generated token, on average. */
  readonly msPerToken: number;
  /** Query-key scores computed to select, as a share of all keys of all heads. */
  readonly scannedShare: number;
  /** Keys in the softmaxes, as a share of all keys of all heads. */
  readonly attendedShare: number;
  /** Query-key scores computed to select, a head and token on average. */
  readonly scanned: number;
  /** Keys in the softmax, a head and token on average. */
  readonly attended: number;
  /** Bytes of keys and values a fast tier must hold. */
  readonly residentBytes: number;
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
  /**
   * Tokens of an answer at most.
   * @default 32
   */
  readonly maxTokens?: number;
  /** Called as the work goes on. */
  readonly onProgress?: (progress: CompareProgress) => void;
  /** Stops the comparison. */
  readonly signal?: AbortSignal;
}

/** Prefilling costs about as much as this many answers, for progress only. */
const PREFILL_WEIGHT = 4;

/**
 * Answers every question with every method, each from a fork of the prefilled context. Methods that do not govern
 * prefill share one dense prefill. The question and the answer always go through the method's decode plans.
 */
export async function* compareMethods(
  model: Model,
  context: string,
  questions: readonly Question[],
  methods: readonly Method[],
  options: CompareOptions = {},
): AsyncGenerator<MethodAnswer, void> {
  const tell = progressOf(questions, methods, options);
  let shared: Session | null = null;
  try {
    for (const method of methods) {
      const reused: boolean = !method.governsPrefill && shared !== null;
      const base: Session = reused
        ? shared!.fork({ attention: method })
        : await prefilled(model, context, method, tell, options);
      if (!method.governsPrefill) shared ??= base.fork();
      tell(method, "prefill", 1);
      try {
        for (const [number, question] of questions.entries()) {
          yield await answer(base, method, question, options);
          tell(method, `question ${number + 1} of ${questions.length}`, 1 + number + 1);
        }
      } finally {
        base.close();
      }
    }
  } finally {
    shared?.close();
  }
}

type Tell = (method: Method, what: string, done: number) => void;

function progressOf(
  questions: readonly Question[],
  methods: readonly Method[],
  { onProgress = () => {} }: CompareOptions,
): Tell {
  const each = PREFILL_WEIGHT + questions.length;
  return (method, what, done) => {
    const weighted = done <= 1 ? done * PREFILL_WEIGHT : PREFILL_WEIGHT + done - 1;
    const share = (methods.indexOf(method) * each + weighted) / (methods.length * each);
    onProgress({ method: method.name, what, share });
  };
}

async function prefilled(
  model: Model,
  context: string,
  method: Method,
  tell: Tell,
  { signal }: CompareOptions,
): Promise<Session> {
  const session = model.session({ attention: method });
  try {
    const run = session.prefill(context, signal ? { signal } : {});
    for await (const { done, total } of run) {
      tell(method, `prefill ${done} of ${total} tokens`, done / total);
    }
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

async function answer(
  base: Session,
  method: Method,
  question: Question,
  { maxTokens = 32, signal }: CompareOptions,
): Promise<MethodAnswer> {
  const session = base.fork();
  try {
    const steps: Step[] = [];
    const { template } = question;
    const run = session.ask(question.text, {
      maxTokens,
      ...(template === undefined ? {} : { template }),
      ...(signal ? { signal } : {}),
    });
    for await (const event of run) {
      if (event.kind === "step") steps.push(event);
    }
    const { text, ids, msPerToken } = await run;
    const right = question.value === null ? null : isRight(text, { value: question.value });
    const { residentBytes } = session.memory();
    const costs = costsOf(steps);
    const tokens = ids.length;
    return { method, question, text, right, tokens, msPerToken, residentBytes, ...costs };
  } finally {
    session.close();
  }
}

function costsOf(steps: readonly Step[]) {
  let scanned = 0, attended = 0, keys = 0, rows = 0;
  for (const { counts, index } of steps) {
    scanned += counts.scanned;
    attended += counts.attended;
    keys += counts.keys;
    rows += counts.keys / index;
  }
  return {
    scannedShare: scanned / keys,
    attendedShare: attended / keys,
    scanned: scanned / rows,
    attended: attended / rows,
  };
}
