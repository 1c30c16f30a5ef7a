import { makeFacts } from "../facts.ts";
import { caseSeed, caseWith, type Task } from "../task.ts";

/** Options of {@link multiKey}. */
export interface MultiKeyOptions {
  /**
   * Magic numbers in a text; at least one for each depth.
   * @default 16
   */
  readonly needles?: number;
}

/** Many magic numbers that differ in their word and number alone; those at the depths are asked for. */
export function multiKey(options: MultiKeyOptions = {}): Task {
  const { needles = 16 } = options;
  return {
    name: needles === 16 ? "multi-key" : `multi-key-${needles}`,
    questions: ({ length }) => length,
    make: (options) => {
      const { length } = options.depths;
      const count = Math.max(needles, length);
      const facts = makeFacts(count, { mix: { magicNumber: 1 }, seed: caseSeed(options) });
      return caseWith(facts.slice(0, length), facts.slice(length), options);
    },
  };
}
