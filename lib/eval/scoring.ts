/** Whether an answer is right. */
import { isRight } from "./facts.ts";

/**
 * What a right answer looks like: all values as whole words in its first `sentence` or line, or `anywhere` in it; the
 * `share` of the values that occur in it at all, as RULER counts; or it begins with the value (`start`).
 */
export type Match = "sentence" | "anywhere" | "share" | "start";

/** How right an answer is, 0 to 1. */
export function scoreAnswer(answer: string, values: readonly string[], match: Match): number {
  switch (match) {
    case "sentence":
      return Number(values.every((value) => isRight(answer, { value })));
    case "anywhere":
      return Number(values.every((value) => isRight(words(answer), { value: words(value) })));
    case "share":
      return shareOf(answer, values);
    case "start":
      return Number(values.every((value) => `${words(answer)} `.startsWith(`${words(value)} `)));
  }
}

/** RULER's `string_match_all` for one row. */
function shareOf(answer: string, values: readonly string[]): number {
  const text = answer.toLowerCase();
  return values.filter((value) => text.includes(value.toLowerCase())).length / values.length;
}

/** In lower case, without marks between words, so that it is all one sentence. */
function words(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, " ").trim();
}
