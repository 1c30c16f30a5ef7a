import { pick, seededRandom } from "../../engine/random.ts";
import { FACT_WORDS } from "../fact_words.ts";
import { characters, drawFacts } from "../facts.ts";
import { HELD_OUT, LABELS, worded } from "../held_out.ts";
import { caseOf, caseSeed, type Task } from "../task.ts";

/** Numbers of all sorts, one at each depth, under labels and in words that the embedded model was not trained on. */
export const labelled: Task = {
  name: "labelled",
  questions: ({ length }) => length,
  make: (options) => {
    const random = seededRandom(caseSeed(options));
    const draw = () =>
      worded(HELD_OUT.labelled, "labelled", {
        random,
        key: pick(random, FACT_WORDS),
        label: pick(random, LABELS),
        value: characters(random, "0123456789", pick(random, [4, 5, 6, 7])),
      });
    return caseOf(drawFacts(options.depths.length, draw), options);
  },
};
