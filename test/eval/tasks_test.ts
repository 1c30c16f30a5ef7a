import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { grammarFiller, textFiller } from "../../lib/eval/fillers.ts";
import { HELD_OUT, LABELS } from "../../lib/eval/held_out.ts";
import { type CaseOptions, caseSeed, DEPTHS, type Task } from "../../lib/eval/task.ts";
import { TASKS } from "../../lib/eval/tasks/all.ts";
import { multiKey } from "../../lib/eval/tasks/multi_key.ts";
import { wordsTokenizer } from "./words_tokenizer.ts";

const RECIPE = new URL("../../lib/model/embedded/recipe/facts.py", import.meta.url);
const tokenizer = wordsTokenizer();

const DEFAULTS: CaseOptions = {
  tokens: 900,
  seed: 3,
  index: 0,
  tokenizer,
  filler: grammarFiller,
  depths: DEPTHS,
};

const named = (name: string) => TASKS.find((task) => task.name === name)!;
const make = (task: Task, options: Partial<CaseOptions> = {}) =>
  task.make({ ...DEFAULTS, ...options });

/** The filler: the text without its facts. */
function withoutFacts(task: Task, options: Partial<CaseOptions>): string {
  let rest = "";
  task.make({
    ...DEFAULTS,
    ...options,
    filler: {
      name: "spy",
      hide: (hidden) => {
        const made = grammarFiller.hide(hidden);
        rest = hidden.facts!.reduce(
          (text, { statement }) => text.replace(statement, ""),
          made.text,
        );
        return made;
      },
    },
  });
  return rest;
}

for (const task of TASKS) {
  Deno.test(`${task.name}: the same seed gives the same case, another seed or case another`, () => {
    assertEquals(make(task), make(task));
    const first = JSON.stringify(make(task));
    assertNotEquals(JSON.stringify(make(task, { seed: 4 })), first);
    assertNotEquals(JSON.stringify(make(task, { index: 1 })), first);
  });

  Deno.test(`${task.name}: values are in the text, in no question and not in the filler`, () => {
    const seeds = fc.integer({ min: 0, max: 100_000 });
    const places = fc.integer({ min: 0, max: 99 });
    fc.assert(
      fc.property(seeds, places, (seed, index) => {
        const { context, questions } = make(task, { seed, index });
        const filler = withoutFacts(task, { seed, index });
        assertEquals(questions.length, task.questions(DEPTHS));
        assertEquals(new Set(questions.map(({ text }) => text)).size, questions.length);
        for (const value of questions.flatMap(({ values }) => values)) {
          assert(context.includes(value));
          assert(!filler.toLowerCase().includes(value));
          assert(questions.every(({ text }) => !text.includes(value)));
        }
        const asked = questions.filter(({ kind }) => kind !== "segment");
        for (const { text } of asked) assert(!context.includes(text));
      }),
      { numRuns: 12, seed: 1 },
    );
  });

  Deno.test(`${task.name}: has at most the tokens asked for and seldom fewer`, () => {
    for (const tokens of [700, 1500]) {
      const length = tokenizer.encode(make(task, { tokens }).context).length;
      assert(length <= tokens && length > tokens - 40, `${length} of ${tokens}`);
    }
  });
}

Deno.test("every depth is hit by as many questions, within 3 % of the text", () => {
  for (const task of TASKS.filter(({ name }) => name !== "multi-value")) {
    const cases = task.casesFor?.(50, DEPTHS) ?? 5;
    const questions = Array.from(
      { length: cases },
      (_, index) => make(task, { tokens: 2000, index }).questions,
    ).flat();
    const counts = Map.groupBy(questions, ({ depth }) => depth);
    assertEquals([...counts.keys()].sort(), [...DEPTHS]);
    for (const list of counts.values()) assertEquals(list.length, questions.length / DEPTHS.length);
    for (const { depth, placed } of questions) assertAlmostEquals(placed!, depth!, 0.03);
  }
});

Deno.test("multi-value hides values of one word far apart, and something at every depth", () => {
  const { context, questions } = make(named("multi-value"), { tokens: 2000 });
  assertEquals(questions.map(({ values }) => values.length), [3, 3, 3, 3]);
  const places = questions.map(({ values }) =>
    values.map((value) => context.indexOf(value) / context.length).sort()
  );
  for (const [first, second] of places) assert(second! - first! > 0.1);
  const hit = new Set(places.flat().map((place) => Math.min(9, Math.floor(place * 10))));
  assertEquals(hit.size, 10);
});

Deno.test("multi-key hides 16 numbers and asks for those at the depths", () => {
  const { context, questions } = make(named("multi-key"));
  assertEquals(context.match(/The special magic number for [a-z]+ is: \d+\./g)!.length, 16);
  assertEquals(questions.length, 10);
  const more = make(multiKey({ needles: 30 }), { tokens: 1500 }).context;
  assertEquals(more.match(/special magic number/g)!.length, 30);
});

Deno.test("pass-key hides one, at the next depth in every case", () => {
  const cases = [0, 1, 2, 9, 10].map((index) => make(named("pass-key"), { index }));
  assertEquals(cases.map(({ questions }) => questions[0]!.depth), [.05, .15, .25, .95, .05]);
  assertEquals(named("pass-key").casesFor!(200, DEPTHS), 40);
  assertEquals(named("pass-key").casesFor!(20, DEPTHS), 10);
  for (const { context } of cases) assertEquals(context.match(/pass key is/g)!.length, 1);
});

Deno.test("copying repeats the beginning of a segment whose words occur in no other", () => {
  const { context, questions } = make(named("copying"));
  for (const { text, values: [value] } of questions) assert(context.includes(`${text} ${value}.`));
  const words = questions.flatMap(({ text, values }) => `${text} ${values}`.trim().split(" "));
  assertEquals(new Set(words).size, words.length);
});

Deno.test("held-out wordings and labels are not what the recipe trains on", async () => {
  const recipe = await Deno.readTextFile(RECIPE);
  const [trained, listed] = recipe.replaceAll(/"\s+"/g, "").split("LABELS_HELD_OUT = ") as [
    string,
    string,
  ];
  for (const label of LABELS) {
    assert(listed.split("\n")[0]!.includes(`"${label}"`), label);
    assert(!trained.includes(label), label);
  }
  const python = (text: string) =>
    text.replaceAll("{key}", "{w}").replaceAll("{label}", "{n}").replaceAll("{value}", "{d}");
  for (const { statement, question } of Object.values(HELD_OUT).flat()) {
    for (const text of [statement, question]) {
      const parts = python(text).split(/\{.\}/).filter((part) => part.trim().length > 12);
      assert(parts.some((part) => !recipe.includes(part.trim())), text);
    }
  }
});

Deno.test("caseSeed() is never below a million and refuses what would share seeds", () => {
  assertEquals(caseSeed({ seed: 0, index: 0 }), 1_000_000);
  assertEquals(caseSeed({ seed: 2, index: 7 }), 1_020_007);
  assertThrows(() => caseSeed({ seed: -1, index: 0 }), RangeError, "-1, 0");
  assertThrows(() => caseSeed({ seed: 0, index: 10_000 }), RangeError, "0, 10000");
});

Deno.test("textFiller() hides facts in a text, begins elsewhere in every case, and has a name of its own", () => {
  const text = Array.from({ length: 400 }, (_, i) => `Sentence number ${i} is here.`);
  const filler = textFiller(text.join(" "));
  const [first, second] = [0, 1].map((index) => make(named("keeper"), { filler, index }).context);
  assert(first!.includes("Sentence number"));
  assertNotEquals(first!.slice(0, 200), second!.slice(0, 200));
  assertNotEquals(filler.name, textFiller("Another text.").name);
});
