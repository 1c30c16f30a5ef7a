import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FACT_NAMES, FACT_WORDS } from "../../lib/eval/fact_words.ts";
import { type Fact, type FactKind, isRight, makeFacts, WORDINGS } from "../../lib/eval/facts.ts";

const RECIPE = new URL("../../lib/model/embedded/recipe/facts.py", import.meta.url);

function one(kind: FactKind): Fact {
  return makeFacts(1, { mix: { [kind]: 1 }, seed: 4 })[0] as Fact;
}

Deno.test("WORDINGS are those of the recipe", async () => {
  const recipe = await Deno.readTextFile(RECIPE);
  const keys = { magicNumber: "word", passKey: "", keeper: "name", keyValue: "key" };
  for (const [kind, wordings] of Object.entries(WORDINGS)) {
    for (const wording of Object.values(wordings)) {
      const python = wording.replaceAll("{key}", `{${keys[kind as FactKind]}}`);
      assertStringIncludes(recipe, python.replaceAll("\n", "\\n"));
    }
  }
  assertStringIncludes(recipe, 'f"\\nQuestion: {text}\\nAnswer:"');
  assertStringIncludes(recipe.replaceAll(/"\s+"/g, ""), FACT_NAMES.join(" "));
});

Deno.test("FACT_WORDS are different words of four to eight letters", () => {
  assertEquals(new Set(FACT_WORDS).size, FACT_WORDS.length);
  for (const word of FACT_WORDS) assertMatch(word, /^[a-z]{4,8}$/);
});

Deno.test("makeFacts() fills statement, question and answer of each kind", () => {
  const magic = one("magicNumber");
  assertMatch(magic.statement, /^ The special magic number for [a-z]+ is: \d{4,7}\.$/);
  assertMatch(
    magic.question,
    /^\nQuestion: What is the special magic number for [a-z]+\?\nAnswer:$/,
  );
  assertEquals(magic.answer, magic.statement);
  const pass = one("passKey");
  assertEquals(
    pass.statement,
    ` The pass key is ${pass.value}. Remember it. ${pass.value} is the pass key.`,
  );
  const keeper = one("keeper");
  assertMatch(keeper.statement, /^ [A-Z][a-z]+ [A-Z][a-z]+ keeps the [a-z]+ [a-z]+ in the box\.$/);
  const pair = one("keyValue");
  assertMatch(pair.statement, /^\n"[0-9a-f]{6}": "[0-9a-f]{6}",$/);
});

Deno.test("makeFacts() gives the same for the same seed, different questions, no value elsewhere", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 60 }), (seed, count) => {
      const facts = makeFacts(count, { seed });
      assertEquals(facts, makeFacts(count, { seed }));
      assertEquals(new Set(facts.map((fact) => fact.question)).size, count);
      for (const fact of facts) {
        assert(fact.statement.includes(fact.value) && fact.answer.includes(fact.value));
        assert(facts.every((other) => !other.question.includes(fact.value)));
        assertEquals(facts.filter((other) => other.statement.includes(fact.value)), [fact]);
        assert(isRight(fact.answer, fact));
      }
    }),
    { numRuns: 50, seed: 1 },
  );
});

Deno.test("makeFacts() makes only the kinds of the mix", () => {
  const kinds = makeFacts(100, { mix: { keeper: 1, keyValue: 3 } }).map((fact) => fact.kind);
  assertEquals(new Set(kinds), new Set(["keeper", "keyValue"] as const));
});

Deno.test("makeFacts() refuses a second pass key and a mix without weight", () => {
  assertThrows(() => makeFacts(2, { mix: { passKey: 1 } }), RangeError, "count must be <= 1");
  assertThrows(() => makeFacts(1, { mix: {} }), RangeError, "mix");
  assertThrows(() => makeFacts(1, { mix: { keeper: -1, keyValue: 2 } }), RangeError, "mix");
});

Deno.test("isRight() wants the whole value in the first line or sentence", () => {
  const number = { value: "1234" };
  const thing = { value: "silver river" };
  const cases: [string, { value: string }, boolean][] = [
    [" The special magic number for garden is: 1234.", number, true],
    ["1234", number, true],
    ["\n\n 1234\n", number, true],
    ['"1234".', number, true],
    [" 12345.", number, false],
    [" 91234.", number, false],
    [" a1234", number, false],
    [" 1234.5", number, false],
    [" 7,1234", number, false],
    [" It is 99. The number is 1234.", number, false],
    [" 99\n1234", number, false],
    ["", number, false],
    [" Anna Stone keeps the silver river.", thing, true],
    [" Anna Stone keeps the Silver  River", thing, true],
    [" Anna Stone keeps the silver rivers.", thing, false],
    [" a+b", { value: "a+b" }, true],
  ];
  for (const [answer, fact, expected] of cases) {
    assertEquals(isRight(answer, fact), expected, answer);
  }
});
