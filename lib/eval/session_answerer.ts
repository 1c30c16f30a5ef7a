import type { Method } from "../attention/method.ts";
import type { Model } from "../engine/model.ts";
import type { Session } from "../engine/session.ts";
import type { Step } from "../engine/step.ts";
import type { Answer, Answerer, Reading, ReadOptions } from "./answerer.ts";
import type { Question } from "./question.ts";

/** Options of {@link sessionAnswerer}. */
export interface SessionAnswererOptions {
  /**
   * Name recorded with results.
   * @default the model's folder
   */
  readonly name?: string;
}

/** Answers with sessions of a model: one for each text and method that reads it, a fork for each question. */
export function sessionAnswerer(model: Model, options: SessionAnswererOptions = {}): Answerer {
  const { name = model.path } = options;
  return { name, read: (text, method, options) => read(model, text, method, options) };
}

async function read(
  model: Model,
  text: string,
  method: Method,
  { onProgress = () => {}, signal }: ReadOptions = {},
): Promise<Reading> {
  const session = model.session({ attention: method });
  try {
    const run = session.prefill(text, signal ? { signal } : {});
    for await (const { done, total } of run) onProgress(done, total);
    await run;
    return reading(session);
  } catch (error) {
    session.close();
    throw error;
  }
}

function reading(session: Session): Reading {
  return {
    tokens: session.length,
    ask: (question, { signal } = {}) => ask(session, question, signal),
    fork: (method) => reading(session.fork({ attention: method })),
    close: () => session.close(),
  };
}

async function ask(
  base: Session,
  question: Question,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const { text, template, maxTokens = 32, stop } = question;
  const session = base.fork();
  try {
    const steps: Step[] = [];
    const run = session.ask(text, {
      maxTokens,
      ...(template === undefined ? {} : { template }),
      ...(stop ? { stop } : {}),
      ...(signal ? { signal } : {}),
    });
    for await (const event of run) {
      if (event.kind === "step") steps.push(event);
    }
    const answer = await run;
    const { residentBytes } = session.memory();
    const { msPerToken, ids } = answer;
    return { text: answer.text, tokens: ids.length, msPerToken, residentBytes, ...costsOf(steps) };
  } finally {
    session.close();
  }
}

function costsOf(steps: readonly Step[]): Pick<Answer, "scanned" | "attended" | "keys"> {
  let scanned = 0, attended = 0, keys = 0, rows = 0;
  for (const { counts, index } of steps) {
    scanned += counts.scanned;
    attended += counts.attended;
    keys += counts.keys;
    rows += counts.keys / index;
  }
  return { scanned: scanned / rows, attended: attended / rows, keys: keys / rows };
}
