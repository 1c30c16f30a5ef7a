import { characters, drawFacts, makeFacts } from "../facts.ts";
import { seededRandom } from "../../engine/random.ts";
import { HELD_OUT, worded } from "../held_out.ts";
import { caseOf, type CaseOptions, caseSeed, type Task } from "../task.ts";

/**
 * One pass key in a text. The question does not name it, so a text can hide only one and every question costs a
 * prefill: of five questions of a run one is asked, as often at each depth.
 */
export const passKey: Task = {
  name: "pass-key",
  casesFor,
  questions: () => 1,
  make: (options) =>
    caseOf(makeFacts(1, { mix: { passKey: 1 }, seed: caseSeed(options) }), atOneDepth(options)),
};

/** The same in words that the embedded model was not trained on. */
export const passKeyHeldOut: Task = {
  name: "pass-key-held-out",
  casesFor,
  questions: () => 1,
  make: (options) => {
    const random = seededRandom(caseSeed(options));
    const draw = () =>
      worded(HELD_OUT.passKey, "passKey", {
        random,
        value: characters(random, "0123456789", 5),
      });
    return caseOf(drawFacts(1, draw), atOneDepth(options));
  },
};

function casesFor(questions: number, { length }: readonly number[]): number {
  return length * Math.ceil(questions / 5 / length);
}

function atOneDepth(options: CaseOptions): CaseOptions {
  const { depths, index } = options;
  return { ...options, depths: [depths[index % depths.length]!] };
}
