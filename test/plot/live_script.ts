/** A generation that was made up, the same every time: a text with a fact, a question, an answer that copies it. */
import type { LiveStep } from "../../lib/plot/watch/live_types.ts";
import { fakeStep } from "./fake_run.ts";

const FILLER = ["The", " mill", " stood", " by", " the", " river", ".", " Nobody", " came", ".\n"];
const FACT = [" The", " pass", " key", " is", " 7", "1", "4", "."];
const QUESTION = [
  "\n",
  "Question",
  ":",
  " What",
  " is",
  " the",
  " pass",
  " key",
  "?",
  "\n",
  "Answer",
  ":",
];
const ANSWER = [" It", " is", " 7", "1", "4", ".", "\n"];

/** Where the fact begins. */
export const FACT_AT = 40;
/** Where the answer begins. */
export const FIRST: number = 180 + QUESTION.length;
/** Tokens of the question. */
export const ASKED: number = QUESTION.length;

/** Texts of all tokens. */
export const TOKENS: readonly string[] = [
  ...Array.from({ length: 180 }, (_, i) => {
    const fact = FACT[i - FACT_AT];
    return fact ?? FILLER[i % FILLER.length]!;
  }),
  ...QUESTION,
  ...ANSWER,
];

/** Steps of the answer. */
export function scriptedSteps(): LiveStep[] {
  return ANSWER.map((_, i) => {
    const index = FIRST + i;
    return fakeStep({
      index,
      rows: {
        "0,0": localRow(index),
        "0,1": localRow(index),
        "1,0": factRow(index, i),
        "1,1": sinkRow(index),
      },
      retrieved: [FACT_AT + i, FACT_AT + i + 1, 100],
    });
  });
}

/** Half on the last key, the rest before it. */
function localRow(length: number): Float64Array {
  const row = new Float64Array(length);
  for (let back = 1; back <= 20; back++) row[length - back] = 0.5 ** back;
  row[0] = 1 - sum(row);
  return row;
}

/** On the token of the fact that comes next. */
function factRow(length: number, step: number): Float64Array {
  const row = new Float64Array(length);
  row[FACT_AT + Math.min(step + 2, FACT.length - 1)] = 0.75;
  row[length - 1] = 0.25;
  return row;
}

/** On token 0. */
function sinkRow(length: number): Float64Array {
  const row = new Float64Array(length);
  row[0] = 1;
  return row;
}

function sum(row: Float64Array): number {
  return row.reduce((total, value) => total + value, 0);
}
