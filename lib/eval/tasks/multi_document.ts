import { randomInt, seededRandom } from "../../engine/random.ts";
import { asked, characters, drawFacts } from "../facts.ts";
import { caseOf, caseSeed, type Task } from "../task.ts";

/** Numbers of documents are below this. */
const MOST = 100;

/** A document at each depth, all with the same kind of entry; the title tells which is asked for. */
export const multiDocument: Task = {
  name: "multi-document",
  questions: ({ length }) => length,
  make: (options) => {
    const random = seededRandom(caseSeed(options));
    const draw = () =>
      document(1 + randomInt(random, MOST - 1), characters(random, "0123456789", 5));
    return caseOf(drawFacts(options.depths.length, draw), options);
  },
};

function document(number: number, value: string) {
  return {
    kind: "document",
    statement: `\n\nDocument ${number}\n\nThe register of this document holds the number ${value}.`,
    question: asked(`Which number does the register of Document ${number} hold?`),
    answer: ` The register of Document ${number} holds the number ${value}.`,
    value,
  };
}
