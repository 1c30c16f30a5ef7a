/**
 * Facts to hide in a text, and the questions that ask for them. The wordings are those of the recipe of the embedded
 * model (`lib/model/embedded/recipe/facts.py`), so that it is asked what it was trained to answer.
 */
import { pick, type Random, randomInt, seededRandom } from "../engine/random.ts";
import { FACT_NAMES, FACT_WORDS } from "./fact_words.ts";

/** Kinds of facts. */
export type FactKind = "magicNumber" | "passKey" | "keeper" | "keyValue";

/** A fact, and how it is asked for. */
export interface Fact {
  /** Its kind: a {@link FactKind}, or another word for facts that were not made by {@link makeFacts}. */
  readonly kind: string;
  /** What is written into the text, the blank or line break in front of it included. */
  readonly statement: string;
  /** What is appended to the text to ask for it, up to and including "Answer:". */
  readonly question: string;
  /** The answer that is expected after the question, with the blank in front of it. */
  readonly answer: string;
  /** The part of the answer that has to be looked up. */
  readonly value: string;
}

/** Options of {@link makeFacts}. */
export interface FactOptions {
  /**
   * Relative weight of each kind; a kind that is not named does not occur. There is one pass key at most.
   *
   * @default {magicNumber: 0.3, passKey: 0.2, keeper: 0.25, keyValue: 0.25}
   */
  readonly mix?: Readonly<Partial<Record<FactKind, number>>>;
  /**
   * The same seed gives the same facts.
   *
   * @default 0
   */
  readonly seed?: number;
}

/** Wordings by kind; `{key}` and `{value}` are filled in. */
export const WORDINGS: Readonly<
  Record<
    FactKind,
    { readonly statement: string; readonly question: string; readonly answer: string }
  >
> = {
  magicNumber: {
    statement: " The special magic number for {key} is: {value}.",
    question: "What is the special magic number for {key}?",
    answer: " The special magic number for {key} is: {value}.",
  },
  passKey: {
    statement: " The pass key is {value}. Remember it. {value} is the pass key.",
    question: "What is the pass key?",
    answer: " The pass key is {value}.",
  },
  keeper: {
    statement: " {key} keeps the {value} in the box.",
    question: "What does {key} keep?",
    answer: " {key} keeps the {value}.",
  },
  keyValue: {
    statement: '\n"{key}": "{value}",',
    question: 'What is the value of "{key}"?',
    answer: ' "{key}": "{value}".',
  },
};

const MIX: Readonly<Record<FactKind, number>> = {
  magicNumber: 0.3,
  passKey: 0.2,
  keeper: 0.25,
  keyValue: 0.25,
};

/** Draws in a row that may give no new fact before we say that there are none left. */
const PATIENCE = 1000;

/** Makes `count` facts with different questions; the value of one occurs in no other. */
export function makeFacts(count: number, options: FactOptions = {}): Fact[] {
  const { mix = MIX, seed = 0 } = options;
  checkMix(mix);
  const random = seededRandom(seed);
  return drawFacts(count, () => makeFact(pickKind(mix, random), random));
}

/** Draws until there are `count` facts with different questions; the value of one occurs in no other. */
export function drawFacts(count: number, draw: () => Fact): Fact[] {
  const facts: Fact[] = [];
  for (let misses = 0; facts.length < count;) {
    const fact = draw();
    if (isNew(fact, facts)) facts.push(fact);
    else if (++misses > PATIENCE) throw outOfFacts(count, facts.length);
  }
  return facts;
}

/** Whether the first line or sentence of an answer holds the value as a whole word or number. */
export function isRight(answerText: string, fact: Pick<Fact, "value">): boolean {
  const first = answerText.trimStart().split(/\n|(?<=[.!?])\s/, 1)[0] ?? "";
  const value = fact.value.replace(/[^\p{L}\p{N}\s]/gu, "\\$&").replace(/\s+/g, "\\s+");
  return new RegExp(
    `(?<![\\p{L}\\p{N}]|\\p{N}[.,])${value}(?![\\p{L}\\p{N}]|[.,]\\p{N})`,
    "iu",
  ).test(first);
}

/** A question as it is put. */
export function asked(question: string): string {
  return `\nQuestion: ${question}\nAnswer:`;
}

function makeFact(kind: FactKind, random: Random): Fact {
  const [key, value] = contents(kind, random);
  const { statement, question, answer } = WORDINGS[kind];
  const filled = (wording: string) => wording.replaceAll("{key}", key).replaceAll("{value}", value);
  return {
    kind,
    statement: filled(statement),
    question: asked(filled(question)),
    answer: filled(answer),
    value,
  };
}

function contents(kind: FactKind, random: Random): [key: string, value: string] {
  switch (kind) {
    case "magicNumber":
      return [pick(random, FACT_WORDS), characters(random, "0123456789", pick(random, [4, 5, 7]))];
    case "passKey":
      return ["", characters(random, "0123456789", 5)];
    case "keeper":
      return [fullName(random), `${pick(random, FACT_WORDS)} ${pick(random, FACT_WORDS)}`];
    case "keyValue":
      return [hexadecimal(random), hexadecimal(random)];
  }
}

function fullName(random: Random): string {
  const word = pick(random, FACT_WORDS);
  return `${pick(random, FACT_NAMES)} ${word[0]?.toUpperCase()}${word.slice(1)}`;
}

function hexadecimal(random: Random): string {
  return characters(random, "0123456789abcdef", 6);
}

/** Characters of `alphabet`, as many as `count`. */
export function characters(random: Random, alphabet: string, count: number): string {
  return Array.from({ length: count }, () => alphabet[randomInt(random, alphabet.length)]).join("");
}

function pickKind(mix: Readonly<Partial<Record<FactKind, number>>>, random: Random): FactKind {
  const kinds = Object.entries(mix) as [FactKind, number][];
  let left = random() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  return kinds.find(([, weight]) => (left -= weight) < 0)?.[0] ??
    (kinds[0] as [FactKind, number])[0];
}

function isNew(fact: Fact, facts: readonly Fact[]): boolean {
  if (fact.question.includes(fact.value)) return false;
  return facts.every((other) =>
    other.question !== fact.question && !says(other, fact.value) && !says(fact, other.value)
  );
}

function says(fact: Fact, value: string): boolean {
  return fact.statement.includes(value) || fact.question.includes(value);
}

function checkMix(mix: Readonly<Partial<Record<FactKind, number>>>): void {
  const weights = Object.values(mix);
  if (weights.every((weight) => weight >= 0) && weights.some((weight) => weight > 0)) return;
  throw new RangeError(
    `Cannot make facts as mix needs a weight > 0 and none below: current value is ${
      JSON.stringify(mix)
    }`,
  );
}

function outOfFacts(count: number, found: number): RangeError {
  return new RangeError(
    `Cannot make facts as count must be <= ${found} for this mix: current value is ${count}`,
  );
}
