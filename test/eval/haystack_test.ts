import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { makeFacts } from "../../lib/eval/facts.ts";
import { haystack, haystackFromText } from "../../lib/eval/haystack.ts";
import { textSentences } from "../../lib/eval/text_sentences.ts";
import { wordsTokenizer } from "./words_tokenizer.ts";

const tokenizer = wordsTokenizer();
const length = (text: string) => tokenizer.encode(text).length;

/** Costs a token more for each call, as a tokenizer that adds a blank in front of every text. */
const costly = { encode: (text: string) => new Int32Array(length(text) + 3) };

const TEXT = 'The first day was wet. The second was dry, and warm!\n"Was it?" she said. It was ' +
  "5 degrees.\n\nA title\n\nThen came the third day... And no end";

Deno.test("haystack() gives the same for the same seed and else for another", () => {
  const options = { tokens: 800, tokenizer, facts: makeFacts(3), seed: 11 };
  assertEquals(haystack(options), haystack(options));
  assert(haystack(options).text !== haystack({ ...options, seed: 12 }).text);
});

Deno.test("haystack() has at most the tokens asked for and less than 40 fewer", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 300, max: 3000 }),
      fc.integer({ min: 0, max: 8 }),
      fc.integer(),
      (tokens, count, seed) => {
        const { text } = haystack({ tokens, tokenizer, facts: makeFacts(count, { seed }), seed });
        assertLessOrEqual(length(text), tokens);
        assertGreater(length(text), tokens - 40);
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("haystack() fills the tokens where the pieces count more than the whole", () => {
  const { text } = haystack({ tokens: 2000, tokenizer: costly, facts: makeFacts(4) });
  assertLessOrEqual(costly.encode(text).length, 2000);
  assertGreater(costly.encode(text).length, 1960);
});

Deno.test("haystack() puts each statement once, where charStart says, near the asked depth", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
      fc.integer(),
      (depths, seed) => {
        const facts = makeFacts(depths.length, { seed });
        const made = haystack({ tokens: 2000, tokenizer, facts, depths, seed });
        made.facts.forEach((fact, i) => {
          assertEquals(fact.statement, facts[i]?.statement);
          assert(made.text.startsWith(fact.statement, fact.charStart));
          assertEquals(made.text.split(fact.statement).length, 2);
          assertAlmostEquals(fact.depth, depths[i] as number, 0.02);
          const before = length(made.text.slice(0, fact.charStart)) / length(made.text);
          assertAlmostEquals(before, depths[i] as number, 0.1);
        });
      },
    ),
    { numRuns: 40, seed: 1 },
  );
});

Deno.test("haystack() puts facts between sentences, also at both ends", () => {
  const facts = makeFacts(3, { mix: { magicNumber: 1 } });
  const { text } = haystack({ tokens: 400, tokenizer, facts, depths: [0, 0.5, 1] });
  assert(text.startsWith(`${facts[0]?.statement} `));
  assert(text.endsWith(facts[2]?.statement as string));
  for (const fact of facts) {
    const [before, after] = text.split(fact.statement) as [string, string];
    assert(/^$|[.?!]"?$/.test(before), before.slice(-20));
    assert(/^$|^(?: |\n\n)"?[A-Z]/.test(after), after.slice(0, 20));
  }
});

Deno.test("haystack() spreads facts evenly by default", () => {
  const { facts } = haystack({ tokens: 4000, tokenizer, facts: makeFacts(4) });
  facts.forEach((fact, i) => assertAlmostEquals(fact.depth, (i + 0.5) / 4, 0.01));
});

Deno.test("haystack() holds a value nowhere but in its statement, and no digit in the filler", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const facts = makeFacts(5, { seed });
      let { text } = haystack({ tokens: 1500, tokenizer, facts, seed });
      for (const fact of facts) text = text.replace(fact.statement, "");
      assert(!/\d/.test(text));
      for (const fact of facts) assert(!text.toLowerCase().includes(fact.value));
    }),
    { numRuns: 40, seed: 1 },
  );
});

Deno.test("haystack() of 4096 tokens has at least 200 different sentences", () => {
  const { text } = haystack({ tokens: 4096, tokenizer, seed: 2 });
  const found = [...textSentences(text)].map((sentence) => sentence.text);
  assertGreater(new Set(found).size, 200);
  assertGreater(new Set(found).size, 0.95 * found.length);
});

Deno.test("haystack() refuses too few tokens and wrong depths", () => {
  const facts = makeFacts(2);
  assertThrows(() => haystack({ tokens: 5, tokenizer, facts }), RangeError, "current value is 5");
  assertThrows(() => haystack({ tokens: 1.5, tokenizer }), RangeError, "current value is 1.5");
  assertThrows(
    () => haystack({ tokens: 500, tokenizer, facts, depths: [0] }),
    RangeError,
    "must be 2",
  );
  const depths = [0, 1.5];
  assertThrows(() => haystack({ tokens: 500, tokenizer, facts, depths }), RangeError, "is 1.5");
});

Deno.test("textSentences() loses no character and cuts at sentence ends and blank lines", () => {
  const found = [...textSentences(TEXT)];
  assertEquals(found.map(({ before, text }) => before + text).join(""), TEXT);
  assertEquals(found.map(({ text }) => text), [
    "The first day was wet.",
    "The second was dry, and warm!",
    '"Was it?"',
    "she said.",
    "It was 5 degrees.",
    "A title",
    "Then came the third day...",
    "And no end",
  ]);
});

Deno.test("textSentences() with a seed yields each sentence once", () => {
  const sorted = (seed?: number) => [...textSentences(TEXT, seed)].map(({ text }) => text).sort();
  for (let seed = 0; seed < 20; seed++) assertEquals(sorted(seed), sorted());
});

Deno.test("haystackFromText() takes the text from its start, whole sentences only", () => {
  const made = haystackFromText(TEXT, { tokens: 16, tokenizer });
  assertEquals(made.text, "The first day was wet. The second was dry, and warm!");
  assertEquals(made.seed, null);
});

Deno.test("haystackFromText() leaves out sentences that hold a value", () => {
  const facts = makeFacts(1, { mix: { keeper: 1 } }).map((fact) => ({ ...fact, value: "5" }));
  const { text } = haystackFromText(TEXT, { tokens: 45, tokenizer, facts });
  assert(!text.includes("degrees"));
});

Deno.test("haystackFromText() refuses a text that is too short", () => {
  assertThrows(() => haystackFromText(TEXT, { tokens: 500, tokenizer }), RangeError, "ends early");
  assertThrows(() => haystackFromText("", { tokens: 500, tokenizer }), RangeError, "ends early");
});

Deno.test("haystackFromText() skips nothing where the pieces count more than the whole", () => {
  const text = Array.from({ length: 300 }, (_, i) => `Sentence ${"abc"[i % 3]} ${i}.`).join(" ");
  const made = haystackFromText(text, { tokens: 500, tokenizer: costly });
  assert(text.startsWith(made.text));
  assertGreater(costly.encode(made.text).length, 480);
});
