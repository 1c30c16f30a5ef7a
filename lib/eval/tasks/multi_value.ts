import { type Random, randomInt, seededRandom } from "../../engine/random.ts";
import { FACT_WORDS } from "../fact_words.ts";
import { asked, characters, type Fact, WORDINGS } from "../facts.ts";
import { caseSeed, hide, type Task } from "../task.ts";

/** Options of {@link multiValue}. */
export interface MultiValueOptions {
  /**
   * Words in a text: the questions there are.
   * @default 4
   */
  readonly keys?: number;
  /**
   * Magic numbers of each word.
   * @default 3
   */
  readonly values?: number;
}

/** Words with several magic numbers each, in different places; an answer must hold all of its word. */
export function multiValue(options: MultiValueOptions = {}): Task {
  const { keys = 4, values = 3 } = options;
  return {
    name: "multi-value",
    questions: () => keys,
    make: (options) => {
      const random = seededRandom(caseSeed(options));
      const words = draw(random, keys);
      const facts = numbers(random, keys * values).map((value, i) =>
        about(words[i % keys]!, value)
      );
      const { text } = hide(facts, spread(options.depths, facts.length), options);
      const questions = words.map((word, key) => ({
        text: asked(`What are all the special magic numbers for ${word}?`),
        template: null,
        values: facts.filter((_, i) => i % keys === key).map(({ value }) => value),
        match: "anywhere" as const,
        maxTokens: 32 + 16 * values,
        depth: null,
        placed: null,
        kind: "multiValue",
      }));
      return { context: text, questions };
    },
  };
}

/** All depths in turn, from the first to the last, as often as needed. */
function spread(depths: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => depths[i % depths.length]!);
}

function draw(random: Random, count: number): string[] {
  const words = [...FACT_WORDS];
  return Array.from(
    { length: count },
    () => words.splice(randomInt(random, words.length), 1)[0]!,
  );
}

/** Numbers of five digits, all different. */
function numbers(random: Random, count: number): string[] {
  const found = new Set<string>();
  while (found.size < count) found.add(characters(random, "0123456789", 5));
  return [...found];
}

function about(key: string, value: string): Fact {
  const statement = WORDINGS.magicNumber.statement
    .replaceAll("{key}", key).replaceAll("{value}", value);
  return { kind: "multiValue", statement, question: "", answer: statement, value };
}
