/** What a model is asked to do over a long text. */
import type { Fact } from "./facts.ts";
import type { Haystack, HaystackOptions, TokenCounter } from "./haystack.ts";
import type { Question } from "./question.ts";

/** Where the facts of a text are hidden, unless told otherwise. */
export const DEPTHS: readonly number[] = [.05, .15, .25, .35, .45, .55, .65, .75, .85, .95];

/** Text between the facts. */
export interface Filler {
  /** Tells it from others in stored results. */
  readonly name: string;
  /** Hides facts in it. The same seed gives the same text. */
  hide(options: HaystackOptions & { readonly seed: number }): Haystack;
}

/** What a case is made from. The same options give the same case, letter by letter. */
export interface CaseOptions {
  /** Tokens the text may have. */
  readonly tokens: number;
  /** Counts them. */
  readonly tokenizer: TokenCounter;
  /** Seed of the run. */
  readonly seed: number;
  /** Which case of the run. */
  readonly index: number;
  /** Text between the facts. */
  readonly filler: Filler;
  /** Where facts are hidden, each from 0, the start of the text, to 1. */
  readonly depths: readonly number[];
}

/** A question about a case. */
export interface TaskQuestion extends Question {
  /** What a right answer holds. */
  readonly values: readonly string[];
  /** Where in the text it was to be hidden; `null` for answers from several places. */
  readonly depth: number | null;
  /** Where it is: the fraction of the filler in front of it. */
  readonly placed: number | null;
  /** Kind of what is asked for. */
  readonly kind: string;
}

/** A text, and questions that are each asked right after it. */
export interface TaskCase {
  /** The text. */
  readonly context: string;
  /** The questions. */
  readonly questions: readonly TaskQuestion[];
}

/** A kind of cases. */
export interface Task {
  /** Its name, as in tables and on the command line. */
  readonly name: string;
  /**
   * Cases of a run that is to ask about `questions` questions.
   * @default as many as hold that many questions
   */
  casesFor?(questions: number, depths: readonly number[]): number;
  /**
   * Cases there are, where they are read from a file and their length is given.
   * @default any number, of any length
   */
  readonly cases?: number;
  /** Questions of every case. */
  questions(depths: readonly number[]): number;
  /** Makes a case. */
  make(options: CaseOptions): TaskCase;
}

/** Seeds of the grammar below this are for training. */
const FIRST_SEED = 1_000_000;

/** Cases of a run that have seeds of their own. */
const MOST_CASES = 10_000;

/** Seed of everything in a case. Runs with different seeds share none. */
export function caseSeed({ seed, index }: Pick<CaseOptions, "seed" | "index">): number {
  if (seed >= 0 && index >= 0 && index < MOST_CASES) return FIRST_SEED + seed * MOST_CASES + index;
  throw new RangeError(
    `Cannot make a case as seed must be >= 0 and 0 <= index < ${MOST_CASES}: ` +
      `current value is ${seed}, ${index}`,
  );
}

/** Hides facts in the filler of a case. */
export function hide(
  facts: readonly Fact[],
  depths: readonly number[],
  options: CaseOptions,
): Haystack {
  const { tokens, tokenizer, filler } = options;
  return filler.hide({ tokens, tokenizer, facts, depths, seed: caseSeed(options) });
}

/** A case that hides a fact at each depth and asks for each. */
export function caseOf(facts: readonly Fact[], options: CaseOptions): TaskCase {
  return caseWith(facts, [], options);
}

/** The same with more facts spread between them that are not asked for. */
export function caseWith(
  facts: readonly Fact[],
  others: readonly Fact[],
  options: CaseOptions,
): TaskCase {
  const between = others.map((_, i) => (i + 1) / (others.length + 1));
  const depths = options.depths.slice(0, facts.length);
  const { text, facts: placed } = hide([...facts, ...others], [...depths, ...between], options);
  const questions = facts.map(({ question, value, kind }, i) => ({
    text: question,
    template: null,
    values: [value],
    depth: depths[i]!,
    placed: placed[i]!.depth,
    kind,
  }));
  return { context: text, questions };
}
