/** What reads a text and answers questions about it: a model's session, or a script of the tests. */
import type { Method } from "../attention/method.ts";
import type { Question } from "./question.ts";

/** An answer and what it cost. */
export interface Answer {
  /** The answer. */
  readonly text: string;
  /** Tokens generated. */
  readonly tokens: number;
  /** Milliseconds a generated token, on average. */
  readonly msPerToken: number;
  /** Query-key scores computed to select, a head and generated token on average. */
  readonly scanned: number;
  /** Keys in the softmax, a head and generated token on average. */
  readonly attended: number;
  /** Keys there were, a generated token on average: the denominator of both. */
  readonly keys: number;
  /** Bytes of keys and values a fast tier must hold. */
  readonly residentBytes: number;
}

/** Options of {@link Answerer.read}. */
export interface ReadOptions {
  /** Called with tokens read and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops reading. */
  readonly signal?: AbortSignal | undefined;
}

/** A text that was read with a method. */
export interface Reading {
  /** Tokens of the text. */
  readonly tokens: number;
  /** Answers a question; the reading is not changed, so that each question comes first. */
  ask(question: Question, options?: { readonly signal?: AbortSignal | undefined }): Promise<Answer>;
  /** The same text, answered with `method` from now on. */
  fork(method: Method): Reading;
  /** Frees it. */
  close(): void;
}

/** Reads texts. */
export interface Answerer {
  /** Name of the model, as recorded with results: another model has another. */
  readonly name: string;
  /** Reads a text with a method's prefill plans. */
  read(text: string, method: Method, options?: ReadOptions): Promise<Reading>;
}
