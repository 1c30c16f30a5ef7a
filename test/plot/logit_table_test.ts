import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { logitTable, type MethodLogits } from "../../lib/plot/logit_table.ts";
import { logitRows } from "../../lib/plot/logits/logit_rows.ts";
import { Random } from "../random.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const DENSE: MethodLogits = { method: "dense", logits: Float32Array.of(4, 2, 1, -Infinity) };
const OTHER: MethodLogits = { method: "sparse", logits: Float32Array.of(2, 3, 1, -Infinity) };

const scores = (count: number) =>
  fc.array(
    fc.oneof(fc.double({ min: -20, max: 20, noNaN: true }), fc.constantFrom(0, 1, -Infinity)),
    { minLength: count, maxLength: count },
  ).filter((list) => list.some((score) => score > -Infinity));

function probsOf(logits: readonly number[]): number[] {
  const weights = logits.map(Math.exp);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

Deno.test("logitTable() of the gallery is as it was looked at", async () => {
  await assertGolden("logit_table.svg", await galleryFigures().logitTable!.svg());
});

Deno.test("logitRows() gives probabilities, ranks and divergence by their definitions", () => {
  fc.assert(
    fc.property(scores(12), scores(12), fc.integer({ min: 1, max: 14 }), (one, two, top) => {
      const { ids, columns } = logitRows(
        [{ method: "a", logits: one }, { method: "b", logits: two }],
        top,
      );
      const [p, q] = [probsOf(one), probsOf(two)];
      [[one, p], [two, q]].forEach(([logits, probs], i) => {
        ids.forEach((id, row) => {
          assertAlmostEquals(columns[i]!.probs[row]!, probs![id]!, 1e-12);
          const larger = logits!.filter((score) => score > logits![id]!).length;
          assertEquals(columns[i]!.ranks[row], 1 + larger);
        });
        assertEquals(columns[i]!.first, logits!.indexOf(Math.max(...logits!)));
      });
      const kl = p.reduce(
        (sum, prob, id) => prob === 0 ? sum : sum + prob * Math.log(prob / q[id]!),
        0,
      );
      if (kl === Infinity) assertEquals(columns[1]!.kl, Infinity);
      else assertAlmostEquals(columns[1]!.kl, Math.max(0, kl), 1e-9);
      assertEquals(columns[0]!.kl, 0);
    }),
    { numRuns: 200, seed: 5 },
  );
});

Deno.test("logitRows() takes the likeliest tokens of each method, once, those that can come", () => {
  assertEquals(logitRows([DENSE, OTHER], 1).ids, [0, 1]);
  assertEquals(logitRows([DENSE, OTHER], 50).ids, [0, 1, 2]);
});

Deno.test("logitTable() says which methods changed the prediction", () => {
  const tokenOf = (id: number) => ["yes", "no", "the", "a"][id]!;
  assertMatch(
    logitTable([DENSE, OTHER, { ...DENSE, method: "same" }], { tokenOf }).text,
    /^Next token: changed by 1 of 2 methods: dense "yes" 84 %; sparse "no" 67 %, KL [\d.]+; same "yes" 84 %, KL 0$/,
  );
  assertMatch(logitTable([DENSE, DENSE]).text, /^Next token: no change from dense: /);
  assertMatch(logitTable([DENSE]).text, /^Next token by dense: dense "0" 84 %$/);
});

Deno.test("logitTable() says that a divergence is infinite", () => {
  const never = { method: "never", logits: Float32Array.of(-Infinity, 1, 1, 1) };
  assert(logitTable([DENSE, never]).text.endsWith("KL \u221e"));
});

Deno.test("logitTable() draws bars as long as probabilities, and marks ranks that changed", async () => {
  const svg = parsed(await logitTable([DENSE, OTHER]).svg());
  const texts = [...svg.querySelectorAll("text")].map(({ textContent }) => textContent!);
  assert(texts.includes("#2 \u25bc1") && texts.includes("#1 \u25b21"), texts.join("|"));
  const { columns } = logitRows([DENSE, OTHER], 8);
  const groups = [...svg.querySelectorAll("g")].filter((group) =>
    group.querySelector(":scope > title")?.textContent?.includes("rank")
  );
  const shares = groups.map((group) => {
    const [back, bar] = [...group.querySelectorAll("rect")].map((rect) =>
      Number(rect.getAttribute("width"))
    );
    return bar! / back!;
  });
  assertEquals(shares.length, 6);
  columns.flatMap(({ probs }) => [...probs]).forEach((prob, i) =>
    assertAlmostEquals(shares[i]!, prob, 1e-3)
  );
});

Deno.test("logitTable() puts methods that have no room below, and stays as wide", async () => {
  const methods = Array.from({ length: 16 }, (_, i) => ({ ...DENSE, method: `method ${i}` }));
  const svg = await logitTable(methods).svg();
  assert(Number(svg.match(/ width="(\d+)"/)![1]) <= 640, svg.slice(0, 300));
  assertEquals(svg.match(/>method \d+<\/text>/g)!.length, 16);
});

Deno.test("logitTable() of 16 methods and a vocabulary of 50,000 is bounded", async () => {
  const random = new Random(1);
  const methods = Array.from({ length: 16 }, (_, i) => ({
    method: `${i}`,
    logits: Float32Array.from({ length: 50_000 }, () => random.next()),
  }));
  assert((await logitTable(methods).svg()).length < 1_500_000);
});

Deno.test("logitTable() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, (text) =>
      assertInert(
        logitTable([{ ...DENSE, method: text }, OTHER], { tokenOf: () => text, title: text }),
      )),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("logitTable() names what is wrong", () => {
  assertThrows(
    () => logitTable([]),
    RangeError,
    "there must be 1 .. 16 methods: current value is 0",
  );
  assertThrows(
    () => logitTable([DENSE], { top: 0 }),
    RangeError,
    "top must be a whole number 1 .. 50: current value is 0",
  );
  assertThrows(
    () => logitTable([DENSE, { method: "short", logits: [1] }]),
    TypeError,
    "logits of short must hold 4 numbers: current value is 1",
  );
  assertThrows(() => logitTable([{ method: "none", logits: [] }]), TypeError, "logits of none");
  assertThrows(
    () => logitTable([{ method: "m", logits: [1, NaN] }]),
    RangeError,
    "logits of m must be numbers < Infinity: current value is NaN",
  );
  assertThrows(
    () => logitTable([{ method: "m", logits: [-Infinity] }]),
    RangeError,
    "some token of m must be possible: current value is none",
  );
});
