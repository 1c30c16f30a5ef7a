import { makeFacts } from "../facts.ts";
import { caseOf, caseSeed, type Task } from "../task.ts";

/** Lines of hexadecimal keys and values, one at each depth. */
export const keyValue: Task = {
  name: "key-value",
  questions: ({ length }) => length,
  make: (options) =>
    caseOf(
      makeFacts(options.depths.length, { mix: { keyValue: 1 }, seed: caseSeed(options) }),
      options,
    ),
};
