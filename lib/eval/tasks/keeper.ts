import { makeFacts } from "../facts.ts";
import { caseOf, caseSeed, type Task } from "../task.ts";

/** Who keeps what, one person at each depth. */
export const keeper: Task = {
  name: "keeper",
  questions: ({ length }) => length,
  make: (options) =>
    caseOf(
      makeFacts(options.depths.length, { mix: { keeper: 1 }, seed: caseSeed(options) }),
      options,
    ),
};
