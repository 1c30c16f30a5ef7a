import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertMatch,
} from "@std/assert";
import fc from "fast-check";
import { seededRandom } from "../../lib/engine/random.ts";
import { fill, type Sentence, sentences } from "../../lib/eval/grammar.ts";
import { PATTERNS } from "../../lib/eval/grammar_patterns.ts";
import { WORDS } from "../../lib/eval/grammar_words.ts";

const ALL = Object.values(PATTERNS).flat();

function first(count: number, seed: number): Sentence[] {
  const source = sentences(seededRandom(seed));
  return Array.from({ length: count }, () => source.next().value);
}

Deno.test("PATTERNS holds at least 200 different ones, nine or more in each topic", () => {
  assertGreaterOrEqual(new Set(ALL).size, 200);
  assertEquals(new Set(ALL).size, ALL.length);
  for (const patterns of Object.values(PATTERNS)) assertGreaterOrEqual(patterns.length, 9);
});

Deno.test("WORDS and PATTERNS hold more than 1000 words and no digit", () => {
  const words = new Set([...Object.values(WORDS).flat(), ...ALL].join(" ").match(/[A-Za-z]+/g));
  assertGreater(words.size, 1000);
  for (const text of [...Object.values(WORDS).flat(), ...ALL]) assert(!/\d/.test(text), text);
});

Deno.test("PATTERNS names only slots there are, and WORDS repeats no entry", () => {
  for (const text of [...Object.values(WORDS).flat(), ...ALL]) {
    for (const [, slot] of text.matchAll(/\{(\w+)\}/g)) assert(WORDS[slot as string], text);
  }
  for (const [slot, list] of Object.entries(WORDS)) {
    assertGreaterOrEqual(list.length, 4, slot);
    for (const word of list) assertMatch(word, /^[A-Za-z{][A-Za-z{} '-]*$/, slot);
  }
});

Deno.test("fill() leaves no slot, starts with a capital and ends a sentence", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL), fc.integer({ min: 0 }), (pattern, seed) => {
      const text = fill(pattern, seededRandom(seed));
      assertMatch(text, /^"?[A-Z][^{}[\]|\d\n]*[.?!]"?$/);
      assert(!/ {2}| [.,]|\b[Aa] [aeio](?!ne )/.test(text), text);
    }),
    { numRuns: 2000, seed: 1 },
  );
});

Deno.test("fill() writes the article that fits and does not use an entry twice", () => {
  const random = seededRandom(3);
  assertEquals(fill("a otter and a useful hour", random), "An otter and a useful hour");
  for (let i = 0; i < 200; i++) {
    const [a, b] = fill("{season} {season}", random).toLowerCase().split(" ");
    assert(a !== b);
  }
});

Deno.test("sentences() gives the same for the same seed and else for another", () => {
  assertEquals(first(200, 5), first(200, 5));
  assert(first(200, 5).some((sentence, i) => sentence.text !== first(200, 6)[i]?.text));
});

Deno.test("sentences() makes paragraphs of three to eight sentences", () => {
  const text = first(2000, 1).map(({ before, text }) => before + text).join("");
  const paragraphs = text.split("\n\n");
  assertGreater(paragraphs.length, 250);
  assertGreater(new Set(text.match(/[^.?!]+[.?!]/g)).size, 1900);
});
