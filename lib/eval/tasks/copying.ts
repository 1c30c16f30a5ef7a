import { randomInt, seededRandom } from "../../engine/random.ts";
import { FACT_WORDS } from "../fact_words.ts";
import { caseOf, caseSeed, type Task, type TaskCase } from "../task.ts";

/** Options of {@link copying}. */
export interface CopyingOptions {
  /**
   * Words of a segment that are repeated at the end.
   * @default 8
   */
  readonly begin?: number;
  /**
   * Words after them that have to follow.
   * @default 4
   */
  readonly follow?: number;
}

/** A segment of unconnected words at each depth; its beginning is repeated at the end and the continuation judged. */
export function copying(options: CopyingOptions = {}): Task {
  const { begin = 8, follow = 4 } = options;
  return {
    name: "copying",
    questions: ({ length }) => length,
    make: (options) => {
      const random = seededRandom(caseSeed(options));
      const words = [...FACT_WORDS];
      const draw = () => words.splice(randomInt(random, words.length), 1)[0]!;
      const facts = options.depths.map(() =>
        segment(Array.from({ length: begin + follow }, draw), begin)
      );
      return judgedByStart(caseOf(facts, options), follow);
    },
  };
}

function segment(words: readonly string[], begin: number) {
  const value = words.slice(begin).join(" ");
  return {
    kind: "segment",
    statement: ` ${words.join(" ")}.`,
    question: ` ${words.slice(0, begin).join(" ")}`,
    answer: ` ${value}`,
    value,
  };
}

function judgedByStart({ context, questions }: TaskCase, words: number): TaskCase {
  return {
    context,
    questions: questions.map((question) => ({
      ...question,
      match: "start",
      // No word of the list takes more tokens in a vocabulary of a few thousand.
      maxTokens: 5 * words + 2,
    })),
  };
}
