/**
 * Wordings and labels that the embedded model was not trained on: none of them is in its recipe
 * (`lib/model/embedded/recipe/facts.py`), except the labels, which it lists as held out.
 */
import { pick, type Random } from "../engine/random.ts";
import { asked, type Fact } from "./facts.ts";

/** How a fact is written and asked for; `{key}`, `{label}` and `{value}` are filled in. */
export interface Wording {
  /** What is written into the text. */
  readonly statement: string;
  /** What is asked. */
  readonly question: string;
}

/** What numbers are called; as `LABELS_HELD_OUT` of the recipe. */
export const LABELS: readonly string[] = [
  "locker number",
  "entry code",
  "file number",
  "guest number",
  "hidden code",
  "coach number",
];

/** Wordings by kind. */
export const HELD_OUT: {
  readonly passKey: readonly Wording[];
  readonly magicNumber: readonly Wording[];
  readonly labelled: readonly Wording[];
} = {
  passKey: [
    {
      statement: " You will need this pass key later: {value}.",
      question: "Which pass key will you need later?",
    },
    {
      statement: " Keep the pass key {value} in mind.",
      question: "Which pass key are you to keep in mind?",
    },
    {
      statement: " Nobody gets in without the pass key {value}.",
      question: "Without which pass key does nobody get in?",
    },
  ],
  magicNumber: [
    {
      statement: " It is known that {key} has {value} as its special magic number.",
      question: "What does {key} have as its special magic number?",
    },
    {
      statement: " The special magic number that goes with {key} is {value}.",
      question: "Which special magic number goes with {key}?",
    },
    {
      statement: " Whoever says {key} must say the special magic number {value}.",
      question: "Which special magic number must be said by whoever says {key}?",
    },
  ],
  labelled: [
    {
      statement: " According to the list, {key} carries the {label} {value}.",
      question: "Which {label} does {key} carry according to the list?",
    },
    {
      statement: " As to {key}, its {label} was set down as {value}.",
      question: "What was set down as the {label} of {key}?",
    },
    {
      statement: " Ask for {key} and you are told the {label} {value}.",
      question: "Which {label} are you told if you ask for {key}?",
    },
    {
      statement: " On the door of {key} stands the {label} {value}.",
      question: "Which {label} stands on the door of {key}?",
    },
  ],
};

/** Values of the gaps of a wording. */
export interface WordingContents {
  /** Chooses the wording. */
  readonly random: Random;
  /** What has to be looked up. */
  readonly value: string;
  /** What it belongs to. */
  readonly key?: string;
  /** What it is called. */
  readonly label?: string;
}

/** A fact in one of `wordings`. */
export function worded(
  wordings: readonly Wording[],
  kind: string,
  { random, value, key = "", label = "" }: WordingContents,
): Fact {
  const { statement, question } = pick(random, wordings);
  const fill = (text: string) =>
    text.replaceAll("{key}", key).replaceAll("{label}", label).replaceAll("{value}", value);
  return {
    kind,
    statement: fill(statement),
    question: asked(fill(question)),
    answer: fill(statement),
    value,
  };
}
