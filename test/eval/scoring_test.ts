import { assertEquals } from "@std/assert";
import { type Match, scoreAnswer } from "../../lib/eval/scoring.ts";

const CASES: readonly [match: Match, answer: string, values: string[], score: number][] = [
  ["sentence", " The pass key is 12345.", ["12345"], 1],
  ["sentence", " It is this. 12345", ["12345"], 0],
  ["anywhere", "They are: 12345, 678, and 91011.", ["91011", "12345"], 1],
  ["anywhere", "They are 12345. Also 91011.", ["91011", "12345"], 1],
  ["anywhere", "They are 12345 and 9101.", ["91011", "12345"], 0],
  ["share", " 12345 and 91011", ["12345", "91011", "1", "777"], 0.75],
  ["share", " FKMGOO", ["fkmgoo"], 1],
  ["share", "", ["a"], 0],
  ["start", " stone river, candle", ["stone river"], 1],
  ["start", " Stone\nRiver", ["stone river"], 1],
  ["start", " stone rivers", ["stone river"], 0],
  ["start", " the stone river", ["stone river"], 0],
];

Deno.test("scoreAnswer() judges by first sentence, anywhere, share or start", () => {
  for (const [match, answer, values, score] of CASES) {
    assertEquals(scoreAnswer(answer, values, match), score, `${match}: ${answer}`);
  }
});
