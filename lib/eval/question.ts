import type { Match } from "./scoring.ts";

/** A question about a text. */
export interface Question {
  /** What is asked. */
  readonly text: string;
  /** How it is put; see `AskOptions.template`. `null` for the text as it is. */
  readonly template?: string | null;
  /** What a right answer holds; `null` where nobody knows. */
  readonly values: readonly string[] | null;
  /**
   * What makes an answer right.
   * @default "sentence"
   */
  readonly match?: Match;
  /**
   * Tokens of an answer at most.
   * @default 32
   */
  readonly maxTokens?: number;
  /**
   * Texts that end the answer.
   * @default ["\n"]
   */
  readonly stop?: readonly string[];
}
