import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Step } from "../../lib/engine/step.ts";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { gatherTrace } from "../../lib/plot/retrieval/retrieval_rows.ts";
import { type RetrievalRow, retrievalTrace } from "../../lib/plot/retrieval_trace.ts";
import { Random } from "../random.ts";
import { assertGolden } from "./golden.ts";
import { gridTips } from "./grid_tips.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";
import { pictureOf } from "./read_png.ts";
import { retrievedBins } from "./retrieved_bins.ts";

function row(fields: Partial<RetrievalRow> = {}): RetrievalRow {
  const known = { step: 0, layer: 1, head: 2, indices: [3, 7], scanned: 10, attended: 6, keys: 20 };
  return { ...known, ...fields };
}

/** Rows of some heads with random keys. */
function randomRows(seed: number, steps: number, heads: number): RetrievalRow[] {
  const random = new Random(seed);
  return Array.from({ length: steps * heads }, (_, i) => {
    const keys = 500 + Math.floor(i / heads);
    const indices = random.subset(random.integer(0, 40), 0, keys - 1);
    const exact = random.subset(20, 0, keys - 1);
    const ranges = [[0, 16], [keys - 64, keys]] as const;
    return row({ step: Math.floor(i / heads), head: i % heads, keys, indices, exact, ranges });
  });
}

Deno.test("retrievalTrace() of the gallery is as it was looked at", async () => {
  const figure = galleryFigures().retrievalTrace!;
  await assertGolden("retrieval_trace.svg", await figure.svg());
  const html = await figure.html("ll-test");
  const end = "</ol></div>";
  const list = html.slice(html.indexOf('<div class="ll-context">'), html.indexOf(end) + end.length);
  await assertGolden("retrieval_trace_list.html", list);
});

Deno.test("gatherTrace() counts every retrieved key in the bin of its position", () => {
  const rows = randomRows(1, 9, 3);
  const { axis, rows: gathered } = gatherTrace(rows);
  assertEquals(
    gathered.map(({ retrieved }) => retrieved),
    retrievedBins(rows, axis, gathered.length),
  );
});

Deno.test("gatherTrace() counts wanted keys as found where they were retrieved or in a range", () => {
  const { rows } = gatherTrace([
    row({ indices: [3, 7], exact: [0, 3, 9, 19], ranges: [[0, 2], [18, 20]] }),
    row({ head: 3, indices: [9], exact: [9, 10], ranges: [] }),
  ]);
  assertEquals(rows[0]!.recall, 4 / 6);
  assertEquals([...rows[0]!.missed.keys()].filter((key) => rows[0]!.missed[key]! > 0), [9, 10]);
});

Deno.test("gatherTrace() knows no recall where no exact keys are given", () => {
  assertEquals(gatherTrace([row()]).rows[0]!.recall, null);
});

Deno.test("gatherTrace() puts steps together from 121 on and loses no key", () => {
  const rows = randomRows(2, 300, 1);
  const { rows: gathered, steps } = gatherTrace(rows);
  assertEquals([steps, gathered.length], [300, 120]);
  const sum = gathered.reduce((all, { retrieved }) => all + retrieved.reduce((a, b) => a + b), 0);
  assertEquals(sum, rows.reduce((all, { indices }) => all + indices.length, 0));
});

Deno.test("gatherTrace() weighs the shares of its heads by their keys", () => {
  const { rows } = gatherTrace([
    row({ keys: 100, scanned: 50, attended: 10 }),
    row({ head: 3, keys: 300, scanned: 0, attended: 30 }),
  ]);
  assertAlmostEquals(rows[0]!.scanned, 50 / 400);
  assertAlmostEquals(rows[0]!.attended, 40 / 400);
});

Deno.test("retrievalTrace() draws a pixel a step and bin, transparent behind the last key", async () => {
  const rows = [row({ step: 4, keys: 10 }), row({ step: 9, keys: 20, indices: [19] })];
  const { width, height, pixels, palette } = pictureOf(await retrievalTrace(rows).svg(), "ll-grid");
  assertEquals([width, height], [20, 2]);
  const bright = [...pixels.keys()].filter((i) => pixels[i] === 254);
  assertEquals(bright, [3, 7, 20 + 19]);
  const isTransparent = Array.from(pixels, (level) => palette[level]![3] === 0);
  assertEquals(isTransparent.slice(0, 20), Array.from({ length: 20 }, (_, key) => key >= 10));
  assertEquals(isTransparent.slice(20).some((is) => is), false);
});

Deno.test("retrievalTrace() marks sinks and windows with lines and missed keys with crosses", async () => {
  const rows = [row({ ranges: [[0, 2], [1, 4], [18, 20]], exact: [3, 10, 12] })];
  const svg = parsed(await retrievalTrace(rows).svg());
  assertEquals(svg.querySelectorAll('[aria-label="link"] path').length, 2);
  assertEquals(svg.querySelectorAll('[aria-label="dot"]:last-of-type path').length, 2);
});

Deno.test("retrievalTrace() tells shares and recall of each step", async () => {
  const svg = parsed(await retrievalTrace([row({ token: " key", exact: [3, 10] })]).svg());
  const title = svg.querySelector('[aria-label="bar"] title')!.textContent;
  assertEquals(title, "step 0 \u00b7key\nscanned 50 %, attended 30 % of 20 keys\nrecall@2 50 %");
});

Deno.test("retrievalTrace() lists the text around the positions retrieved most often", async () => {
  const tokens = Array.from({ length: 100 }, (_, i) => ` w${i}`);
  const rows = [0, 1, 2].map((step) =>
    row({ step, keys: 100, indices: step < 2 ? [40, 70] : [41, 70] })
  );
  const html = await retrievalTrace(rows, { tokens }).html();
  const items = [...parsed(html).querySelectorAll(".ll-context li")];
  assertEquals(items.map((item) => item.querySelector("mark").textContent), [
    "\u00b7w70",
    "\u00b7w40",
  ]);
  const around = Array.from({ length: 17 }, (_, i) => `\u00b7w${62 + i}`).join("");
  assertEquals(items[0].textContent, `position 70, 3 of 3 times: ${around}`);
});

Deno.test("retrievalTrace() tells the keys under the pointer", async () => {
  const [tip] = await gridTips(retrievalTrace([row({ token: "x" })]), [[75, 8]]);
  assertEquals(tip!.split("\n").slice(-2), ["position 7", "keys retrieved: 1"]);
});

Deno.test("retrievalTrace() takes what a step of a session tells", () => {
  const plan = {
    kind: "staticPlusRetrieved",
    sink: 2,
    window: 3,
    index: "exact",
    topK: 2,
    retrieved: [4, 6],
  } as const;
  const keys = { ranges: Int32Array.of(0, 2, 7, 10), indices: Int32Array.of(4, 6) };
  const step = new Step(
    { token: 1, text: " a", index: 10, logits: new Float32Array(2), ms: 1 },
    [{
      plan: { heads: [plan] },
      keys: [keys],
      searches: [{ scanned: 5, ms: 1 }],
      rows: new Map(),
      masses: new Map(),
    }],
  );
  const { text } = retrievalTrace([{
    step: step.index,
    layer: 0,
    head: 0,
    token: step.text,
    ...step.retrieval(0, 0),
  }]);
  assertStringIncludes(
    text,
    "Retrieved by layer 0, head 0 in 1 step: 10 tokens; scanned 50 %, attended 70 % of 10",
  );
});

Deno.test("retrievalTrace() drawn again is what its options would have drawn", async () => {
  const rows = randomRows(3, 4, 1);
  const narrow = await retrievalTrace(rows).redrawn({ width: 420, range: [0, 9] }).svg();
  assertEquals(narrow, await retrievalTrace(rows, { width: 420, range: [0, 9] }).svg());
  assert(Number(narrow.match(/ width="(\d+)"/)![1]) <= 420);
});

Deno.test("retrievalTrace() keeps hostile tokens texts", () =>
  fc.assert(
    fc.asyncProperty(
      hostileText,
      fc.array(hostileText, { minLength: 20, maxLength: 20 }),
      async (title, tokens) => {
        const rows = tokens.slice(0, 5).map((token, step) => row({ step, token, exact: [1] }));
        await assertInert(retrievalTrace(rows, { title, tokens }));
      },
    ),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("retrievalTrace() names what is wrong", () => {
  assertThrows(() => retrievalTrace([]), RangeError, "there must be >= 1 rows: current value is 0");
  assertThrows(
    () => retrievalTrace([row({ indices: [20] })]),
    RangeError,
    "Cannot draw retrieval as a position must be a whole number 0 .. 19: current value is 20",
  );
  assertThrows(() => retrievalTrace([row({ exact: [-1] })]), RangeError, "current value is -1");
  assertThrows(
    () => retrievalTrace([row({ ranges: [[0, 21]] })]),
    RangeError,
    "the end of a range must be 0 .. 20",
  );
  assertThrows(
    () => retrievalTrace([row({ keys: 0 })]),
    RangeError,
    "keys must be a whole number >= 1",
  );
  assertThrows(
    () => retrievalTrace([row({ scanned: NaN })]),
    RangeError,
    "scanned must be a finite number >= 0",
  );
  assertThrows(
    () => retrievalTrace([row({ step: NaN })]),
    RangeError,
    "step must be a finite number",
  );
  assertThrows(
    () => retrievalTrace([row(), row()]),
    RangeError,
    "each row must occur once: step 0, layer 1, head 2 occurs again",
  );
  assertThrows(
    () => retrievalTrace([row()], { tokens: ["a"] }),
    TypeError,
    "Cannot draw retrieval as tokens must hold 20 texts: current value is 1",
  );
  assertThrows(
    () => retrievalTrace([row()], { range: [1, 0] }),
    RangeError,
    "two rising finite numbers",
  );
});
