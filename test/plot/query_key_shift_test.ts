import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { type HeadShift, queryKeyShift } from "../../lib/plot/query_key_shift.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const DISTANCES = {
  edges: [0.5, 1, 2, 4],
  keys: { counts: [1, 3, 0], median: 1.2 },
  queries: { counts: [0, 1, 1], median: 3 },
};
const HEAD: HeadShift = {
  layer: 2,
  head: 3,
  kvHead: 1,
  keys: [0, 0, 1, 0, 0, 1],
  queries: [5, 5, 7, 5],
  mahalanobis: DISTANCES,
  nearest: { ...DISTANCES, keys: { counts: [4, 0, 0], median: 0 } },
};

Deno.test("queryKeyShift() of the gallery is as it was looked at", async () => {
  await assertGolden("query_key_shift.svg", await galleryFigures().queryKeyShift!.svg());
});

Deno.test("queryKeyShift() tells the medians of each head", () => {
  assertEquals(
    queryKeyShift([HEAD]).text,
    "Queries beside the keys they are to find: layer 2, head 3: Mahalanobis distance\u00b2/d 3 of queries, 1.2 of " +
      "keys, nearest key 3 of queries, 0 of keys",
  );
});

Deno.test("queryKeyShift() draws circles for keys and triangles for queries, in the same units", async () => {
  const svg = parsed(await queryKeyShift([HEAD]).svg());
  const placesOf = (name: string, shape: RegExp) =>
    [...svg.querySelector(`.${name}`).getAttribute("d").matchAll(shape)]
      .map(([, x, y]: string[]) => [Number(x), Number(y)] as const);
  const keys = placesOf("ll-keys", /M([\d.]+),([\d.]+)h0/g);
  const [origin, right, up] = [keys[0]!, keys[1]!, keys[2]!];
  assertEquals(keys.length, 3);
  const unit = right[0] - origin[0];
  assertAlmostEquals(unit, origin[1] - up[1], 0.11);
  const triangles = placesOf("ll-queries", /M([\d.]+),([\d.]+)m[^z]*z/g);
  assertEquals(triangles.length, 2);
  assertAlmostEquals(triangles[1]![0] - triangles[0]![0], 2 * unit, 0.4);
  const mean = svg.querySelector('[aria-label="dot"] circle');
  assertAlmostEquals(Number(mean.getAttribute("cx")), origin[0] + unit / 3, 0.1);
});

Deno.test("queryKeyShift() names the medians and gives shares of each bin to the pointer", async () => {
  const svg = parsed(await queryKeyShift([HEAD]).svg());
  const texts = [...svg.querySelectorAll("text")].map((text) => text.textContent);
  assert(
    texts.includes("keys: median 1.2") && texts.includes("queries: median 3 (2.5 x)"),
    texts.join(),
  );
  assert(texts.includes("keys: median 0") && texts.includes("queries: median 3"), texts.join());
  const titles = [...svg.querySelectorAll("rect title")].map((title) => title.textContent);
  assertEquals(titles[1], "1 .. 2\n75 % of the keys, 50 % of the queries");
});

Deno.test("queryKeyShift() draws one point, and distances that are all nearly the same", async () => {
  const narrow = { ...DISTANCES, edges: [2.1, 2.2, 2.3, 2.4] };
  const head = { ...HEAD, keys: [3, 3], queries: [3, 3], mahalanobis: narrow };
  const svg = await queryKeyShift([head]).svg();
  assert(!/NaN|Infinity/.test(svg));
  const texts = [...parsed(svg).querySelectorAll("text")].map((text) => text.textContent);
  assert(texts.includes("2") && texts.includes("5"), texts.join());
});

Deno.test("queryKeyShift() of 8 heads with many points is no large picture, and fits a narrow column", async () => {
  const points = Array.from({ length: 20_000 }, (_, i) => Math.sin(i * i));
  const heads = Array.from(
    { length: 8 },
    (_, head) => ({ ...HEAD, head, keys: points, queries: points }),
  );
  const figure = queryKeyShift(heads);
  const svg = await figure.svg();
  assert(svg.length < 500_000, String(svg.length));
  assert(svg.includes("circles: 150 keys, triangles: 150 queries"));
  const narrow = await figure.redrawn({ width: 420 }).svg();
  assert(Number(narrow.match(/ width="(\d+)"/)![1]) <= 420);
});

Deno.test("queryKeyShift() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, hostileText, async (x, y) => {
      await assertInert(queryKeyShift([{ ...HEAD, axes: [x, y] }], { title: x }));
    }),
    { numRuns: 5, seed: 1 },
  ));

Deno.test("queryKeyShift() names what is wrong", () => {
  const withDistances = (
    fields: Partial<typeof DISTANCES>,
  ) => [{ ...HEAD, nearest: { ...DISTANCES, ...fields } }];
  const many = Array.from({ length: 9 }, (_, head) => ({ ...HEAD, head }));
  const cases: [
    heads: readonly HeadShift[],
    type: typeof RangeError | typeof TypeError,
    message: string,
  ][] = [
    [[], RangeError, "heads must be 1 .. 8: current value is 0"],
    [many, RangeError, "heads must be 1 .. 8: current value is 9"],
    [[HEAD, HEAD], RangeError, "each head must occur once: layer 2, head 3 occurs again"],
    [
      [{ ...HEAD, layer: -1 }],
      RangeError,
      "layer must be a whole number >= 0: current value is -1",
    ],
    [[{ ...HEAD, keys: [] }], TypeError, "keys must be [count, 2]: current length is 0"],
    [
      [{ ...HEAD, queries: [1, 2, 3] }],
      TypeError,
      "queries must be [count, 2]: current length is 3",
    ],
    [[{ ...HEAD, keys: [1, NaN] }], RangeError, "keys must be finite: current value is NaN"],
    [
      withDistances({ edges: [1, 2, 2, 3] }),
      RangeError,
      "edges of nearest must be finite, > 0 and rising",
    ],
    [withDistances({ edges: [0, 1, 2, 3] }), RangeError, "current value is 0"],
    [withDistances({ edges: [1, 2] }), TypeError, "one for each bin (1): current length is 3"],
    [
      withDistances({ keys: { counts: [1, NaN, 1], median: 1 } }),
      RangeError,
      "counts of nearest must be finite and >= 0: current value is NaN",
    ],
    [
      withDistances({ keys: { counts: [0, 0, 0], median: 1 } }),
      RangeError,
      "counts of nearest must have a sum > 0: current value is 0",
    ],
    [
      withDistances({ queries: { counts: [1, 1, 1], median: NaN } }),
      RangeError,
      "a median of nearest must be finite and >= 0: current value is NaN",
    ],
  ];
  for (const [heads, type, message] of cases) {
    assertThrows(() => queryKeyShift(heads), type, message);
  }
});
