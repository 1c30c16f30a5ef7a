import type { Model } from "../engine/model.ts";
import type { Session } from "../engine/session.ts";
import { QUERY_SAMPLES } from "../engine/session_defaults.ts";
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
  /**
   * Whether texts and questions are put as a user's message by the model's chat template, as instruction-tuned models expect
   * them; else they are plain text.
   * @default false
   */
  readonly chat?: boolean;
  /**
   * Tokens that are planned together in a prefill.
   * @default 512
   */
  readonly chunkTokens?: number;
  /**
   * Queries of each head that are kept while a text is read, so that a method that answers may build its index by them.
   * @default 4096
   */
  readonly querySamples?: number;
}

/** What stands around a text and its question. */
interface Frame {
  readonly before: string;
  /** Template of a question, where it is not the question's own. */
  readonly question?: string;
}

/** Where the template has the text and the question, and no text is. */
const PLACE = "\uE000";

/** Answers with sessions of a model: one for each text and method that reads it, a fork for each question. */
export function sessionAnswerer(model: Model, options: SessionAnswererOptions = {}): Answerer {
  const { name = model.path, chat = false, chunkTokens, querySamples = QUERY_SAMPLES } = options;
  const session = { querySamples, ...(chunkTokens === undefined ? {} : { chunkTokens }) };
  return {
    name,
    read: async (text, method, options) => {
      const frame = chat ? await chatFrame(model) : PLAIN;
      return await read(model.session({ attention: method, ...session }), frame, text, options);
    },
  };
}

const PLAIN: Frame = { before: "" };

/** What the chat template writes in front of a user's message, and behind it up to the answer. */
async function chatFrame({ tokenizer }: Model): Promise<Frame> {
  const messages = [{ role: "user", content: PLACE }];
  const { text } = await tokenizer.chatTemplate.render(messages, { addGenerationPrompt: true });
  const [before, after, ...more] = text.split(PLACE);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new RangeError(
      `Cannot ask by the chat template as it must write a message once: current value is ${text}`,
    );
  }
  return { before, question: `\n\n{question}${after}` };
}

async function read(
  session: Session,
  frame: Frame,
  text: string,
  { onProgress = () => {}, signal }: ReadOptions = {},
): Promise<Reading> {
  try {
    const run = session.prefill(frame.before + text, signal ? { signal } : {});
    for await (const { done, total } of run) onProgress(done, total);
    await run;
    return reading(session, frame);
  } catch (error) {
    session.close();
    throw error;
  }
}

function reading(session: Session, frame: Frame): Reading {
  return {
    tokens: session.length,
    ask: (question, { signal } = {}) => ask(session, frame, question, signal),
    fork: (method) => reading(session.fork({ attention: method }), frame),
    close: () => session.close(),
  };
}

async function ask(
  base: Session,
  frame: Frame,
  question: Question,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  await base.buildIndexes(); // once for all questions
  const { text, maxTokens = 32, stop } = question;
  const template = frame.question ?? question.template;
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
