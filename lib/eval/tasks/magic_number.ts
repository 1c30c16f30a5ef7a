import { pick, seededRandom } from "../../engine/random.ts";
import { FACT_WORDS } from "../fact_words.ts";
import { characters, drawFacts, makeFacts } from "../facts.ts";
import { HELD_OUT, worded } from "../held_out.ts";
import { caseOf, caseSeed, type Task } from "../task.ts";

/** Magic numbers of words, one at each depth. */
export const magicNumber: Task = {
  name: "magic-number",
  questions: ({ length }) => length,
  make: (options) => {
    const seed = caseSeed(options);
    return caseOf(makeFacts(options.depths.length, { mix: { magicNumber: 1 }, seed }), options);
  },
};

/** The same in words that the embedded model was not trained on. */
export const magicNumberHeldOut: Task = {
  name: "magic-number-held-out",
  questions: ({ length }) => length,
  make: (options) => {
    const random = seededRandom(caseSeed(options));
    const draw = () =>
      worded(HELD_OUT.magicNumber, "magicNumber", {
        random,
        key: pick(random, FACT_WORDS),
        value: characters(random, "0123456789", pick(random, [4, 5, 7])),
      });
    return caseOf(drawFacts(options.depths.length, draw), options);
  },
};
