import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { wilson } from "../../lib/eval/statistics.ts";
import type { EvalRow } from "../../lib/eval/eval_row.ts";
import { summarize } from "../../lib/eval/summary.ts";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { needlePanels } from "../../lib/plot/needle/needle_cells.ts";
import { type NeedleCell, needleGrid } from "../../lib/plot/needle_grid.ts";
import { wilsonInterval } from "../../lib/plot/needle/wilson.ts";
import { Random } from "../random.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

function cell(length: number, depth: number, right: number, method?: string): NeedleCell {
  return { length, depth, right, total: 20, ...(method === undefined ? {} : { method }) };
}

function answer(fields: Partial<EvalRow>): EvalRow {
  return {
    model: "m",
    setup: "{}",
    task: "pass-key",
    tokensAsked: 1024,
    tokens: 1000,
    seed: 0,
    index: 0,
    question: 0,
    kind: "passKey",
    depth: 0.5,
    method: "dense",
    methodOptions: "{}",
    answer: "1",
    expected: "[]",
    score: 1,
    right: true,
    answerTokens: 1,
    scanned: 0,
    attended: 1,
    keys: 1,
    msPerToken: 1,
    residentBytes: 1,
    ...fields,
  };
}

function titles(svg: string): string[] {
  return [...parsed(svg).querySelectorAll('[aria-label="cell"] title')].map(({ textContent }) =>
    textContent
  );
}

Deno.test("needleGrid() of the gallery is as it was looked at", async () => {
  await assertGolden("needle_grid.svg", await galleryFigures().needleGrid!.svg());
});

Deno.test("wilsonInterval() is the interval of evaluations", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (total, share) => {
        const right = Math.round(share * total);
        assertEquals(wilsonInterval(right, total), wilson(right, total));
      },
    ),
    { seed: 1 },
  ));

Deno.test("needleGrid() prints the percentage of each cell and has its interval in the title", async () => {
  const svg = await needleGrid([
    cell(1024, 0, 17),
    cell(2048, 0, 20),
    cell(1024, 0.5, 0),
    cell(2048, 0.5, 1),
  ]).svg();
  const texts = [...parsed(svg).querySelectorAll('[aria-label="text"] text')].map((text) =>
    text.textContent
  );
  assertEquals(texts, ["85", "100", "0", "5"]);
  assertEquals(titles(svg)[0], "1,024 tokens, depth 0 %\n85 % [64, 95] of 20");
});

Deno.test("needleGrid() hatches what was not asked", async () => {
  const svg = await needleGrid([cell(1024, 0, 17), cell(2048, 1, 20), {
    ...cell(1024, 1, 0),
    total: 0,
  }]).svg();
  assertEquals(titles(svg).filter((title) => title.endsWith("not asked")).length, 2);
  assert(parsed(svg).querySelector(".ll-missing") !== null);
});

Deno.test("needleGrid() adds up cells that are given twice", () => {
  const { panels } = needlePanels([cell(1024, 0, 17), cell(1024, 0, 3)]);
  assertEquals(panels, [{ name: "", tallies: [{ right: 20, total: 40 }] }]);
});

Deno.test("needlePanels() groups evaluation rows as their summary does", () => {
  const random = new Random(5);
  const rows = Array.from({ length: 600 }, (_, index) =>
    answer({
      index,
      depth: random.next(),
      tokensAsked: random.pick([1024, 4096]),
      method: random.pick(["dense", "retrieval"]),
      score: random.integer(0, 4) / 4,
    }));
  const { lengths, depths, panels } = needlePanels(rows);
  const summary = summarize(rows, { byDepth: true });
  assertEquals(summary.length, lengths.length * depths.length * panels.length);
  for (const { tokensAsked, depth, method, questions, share } of summary) {
    const { tallies } = panels.find(({ name }) => name === method)!;
    const { right, total } =
      tallies[depths.indexOf(depth!) * lengths.length + lengths.indexOf(tokensAsked)]!;
    assertEquals(total, questions);
    assertAlmostEquals(right / total, share, 1e-12);
  }
});

Deno.test("needleGrid() leaves out answers from several places and says so", () => {
  const { text } = needleGrid([answer({}), answer({ depth: null }), answer({ depth: null })]);
  assertStringIncludes(text, "left out: 2 answers from several places");
});

Deno.test("needlePanels() tells apart tasks, models and options only where they differ", () => {
  const names = (...rows: Partial<EvalRow>[]) =>
    needlePanels(rows.map(answer)).panels.map(({ name }) => name);
  assertEquals(names({}, { method: "streaming", methodOptions: '{"sink":4}' }), [
    "dense",
    "streaming",
  ]);
  assertEquals(names({}, { task: "keeper" }), ["pass-key, dense", "keeper, dense"]);
  assertEquals(names({}, { methodOptions: '{"a":1}' }), ["dense, {}", 'dense, {"a":1}']);
  assertEquals(names({}, { model: "n" }), ["m, dense", "n, dense"]);
});

Deno.test("needlePanels() takes the texts' own length where none was asked for", () => {
  assertEquals(needlePanels([answer({ tokensAsked: 0, tokens: 777 })]).lengths, [777]);
});

Deno.test("needleGrid() keeps its width, whatever the number of methods and lengths", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 400, max: 1000 }),
      async (methods, lengths, width) => {
        const cells = Array.from(
          { length: methods * lengths },
          (_, i) => cell(1000 + 100 * (i % lengths), 0.5, 10, `method ${Math.floor(i / lengths)}`),
        );
        const svg = await needleGrid(cells, { width }).svg();
        assert(Number(svg.match(/ width="(\d+)"/)![1]) <= width, svg.slice(0, 300));
      },
    ),
    { numRuns: 6, seed: 1 },
  ));

Deno.test("needleGrid() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      await assertInert(
        needleGrid([cell(1024, 0.5, 3, text), cell(1024, 0.5, 3, "b")], { title: text }),
      );
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("needleGrid() names what is wrong", () => {
  const none = "Cannot draw a grid as answers with a depth must be >= 1: current value is 0";
  assertThrows(() => needleGrid([]), RangeError, none);
  assertThrows(() => needleGrid([answer({ depth: null })]), RangeError, none);
  assertThrows(() => needleGrid([{ ...cell(1024, 0, 0), total: 0 }]), RangeError, none);
  assertThrows(
    () => needleGrid([cell(1024, 0, 21)]),
    RangeError,
    "Cannot draw a grid as right must be 0 .. 20: current value is 21",
  );
  assertThrows(
    () => needleGrid([cell(1024, 50, 1)]),
    RangeError,
    "depth must be 0 .. 1: current value is 50",
  );
  assertThrows(
    () => needleGrid([cell(NaN, 0, 1)]),
    RangeError,
    "length must be a finite number >= 0: current value is NaN",
  );
});

Deno.test("needleGrid() gives each method room for its numbers where there is one length", async () => {
  const cells = ["dense", "streaming", "retrieval"].map((method) => cell(1024, 0.5, 7, method));
  const svg = await needleGrid(cells).svg();
  const starts = [
    ...svg.matchAll(/aria-label="(?:dense|streaming|retrieval) [^>]*translate\((\d+),0\)/g),
  ];
  const [a, b, c] = starts.map(([, x]) => Number(x));
  assertEquals(starts.length, 3);
  assert(b! - a! >= 140 && c! - b! >= 140, `${a} ${b} ${c}`);
});
