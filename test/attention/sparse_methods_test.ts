import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import type { BlockSparsePlan, VerticalSlashPlan } from "../../lib/attention/plan.ts";
import { topIndices } from "../../lib/retrieval/top_indices.ts";
import { prefillContext } from "./contexts.ts";

/** 1 at the places, else 0. */
function peaks(length: number, places: readonly number[]): Float32Array {
  const values = new Float32Array(length);
  for (const place of places) values[place] = 1;
  return values;
}

const count = (length: number, from = 0) => Array.from({ length }, (_, i) => from + i);

Deno.test("topIndices() takes the largest, of equals the first, and never -Infinity", () => {
  const scores = Float32Array.of(3, 5, 3, -Infinity, 5, 3, Infinity);
  assertEquals(topIndices(scores, 3), [1, 4, 6]);
  assertEquals(topIndices(scores, 4), [0, 1, 4, 6]);
  assertEquals(topIndices(scores, 9), [0, 1, 2, 4, 5, 6]);
  assertEquals(topIndices(scores, 0), []);
});

Deno.test("triShape() shows every key to the last rows of the prompt, wherever chunks end", async () => {
  const method = methods.triShape({ sink: 1, window: 2, last: 10 });
  const plan = async (qStart: number, qLen: number) =>
    (await method.planPrefill(prefillContext({ qStart, qLen, promptEnd: 100 })))[0]!;
  const before = { kind: "streaming", sink: 1, window: 2 } as const;
  assertEquals(await plan(0, 90), before);
  assertEquals(await plan(80, 20), { kind: "split", at: 90, before, after: { kind: "dense" } });
  assertEquals(await plan(90, 10), { kind: "dense" });
});

Deno.test("verticalSlash() takes the largest sums, the first columns and the nearest diagonals", async () => {
  const sums = { vertical: peaks(400, [50, 300]), slash: peaks(400, [150, 399]) };
  const context = prefillContext({ qLen: 400 }, { verticalSlash: () => [sums] });
  const [plan] = await methods.verticalSlash({ vertical: 32, slash: 102 }).planPrefill(context);
  assertEquals(plan, {
    kind: "verticalSlash",
    vertical: [...count(30), 50, 300],
    slash: [...count(100), 150, 399],
    cover: "blocks",
  });
  const tiled = methods.verticalSlash({ vertical: 32, slash: 102, cover: "tiles" });
  const [other] = await tiled.planPrefill(context) as readonly VerticalSlashPlan[];
  assertEquals(other, { ...plan as VerticalSlashPlan, cover: "tiles" });
});

Deno.test("verticalSlash() has at least 30 columns and 50 diagonals", async () => {
  const [plan] = await methods.verticalSlash({ vertical: 0, slash: 0 })
    .planPrefill(prefillContext({ qLen: 400 })) as readonly VerticalSlashPlan[];
  assertEquals([plan!.vertical, plan!.slash], [count(30), count(50)]);
});

Deno.test("verticalSlash() of the extend variant asks rows before the end and takes the last columns", async () => {
  const asked: number[][] = [];
  const context = prefillContext({ qLen: 400 }, {
    verticalSlash: (heads, rows, skipped = 0) => {
      asked.push([...heads, rows, skipped]);
      const length = 400 - skipped;
      return [{ vertical: peaks(length, [200]), slash: peaks(length, []) }];
    },
  });
  const method = methods.verticalSlash({ vertical: 31, variant: "extend" });
  const [plan] = await method.planPrefill(context) as readonly VerticalSlashPlan[];
  assertEquals(asked, [[0, 64, 100]]);
  assertEquals(plan!.vertical, [...count(30), 200, ...count(100, 300)]);
});

Deno.test("verticalSlash() of the static variant keeps what the first whole chunk chose, in each session", async () => {
  let asked = 0;
  const ofLength = (length: number) => ({
    verticalSlash: (heads: readonly number[]) => {
      asked += heads.length;
      return heads.map(() => ({ vertical: peaks(length, []), slash: peaks(length, []) }));
    },
  });
  const estimates = ofLength(300);
  const method = methods.verticalSlash({ variant: "static" });
  const first = prefillContext({ heads: [0, 2], qLen: 300 }, estimates);
  const again = { ...first, qStart: 300, kvLength: 600, heads: [2, 0] };
  const [a, b] = await method.planPrefill(first);
  const [c, d] = await method.planPrefill(again);
  assertStrictEquals(a, d);
  assertStrictEquals(b, c);
  assertEquals(asked, 2);
  await method.planPrefill(prefillContext({ qLen: 300 }, estimates));
  assertEquals(asked, 3);
  const short = prefillContext({ qLen: 10, heads: [0] }, ofLength(10));
  await method.planPrefill(short);
  await method.planPrefill(short);
  assertEquals(asked, 5);
});

Deno.test("blockSparse() takes the first block, a row's own and the best of the others", async () => {
  const scores = Float32Array.of(
    ...[1, 2, 3, -Infinity],
    ...[0, 9, 8, 7],
  );
  const context = prefillContext({ qStart: 128, qLen: 128 }, {
    blockScores: () => ({ scores, rows: 2, columns: 4 }),
  });
  const plans = async (forced: boolean) =>
    await methods.blockSparse({ topK: 3, forced }).planPrefill(context) as BlockSparsePlan[];
  const plain = { kind: "blockSparse", block: 64, from: 128 } as const;
  assertEquals(await plans(true), [{ ...plain, blocks: [[0, 1, 2], [0, 1, 3]] }]);
  assertEquals(await plans(false), [{ ...plain, blocks: [[0, 1, 2], [1, 2, 3]] }]);
});

Deno.test("sparse methods refuse options out of range", () => {
  assertThrows(() => methods.aShape({ window: 0 }), RangeError, "aShape method as window");
  assertThrows(() => methods.triShape({ last: -1 }), RangeError, "last must be");
  assertThrows(() => methods.slidingWindow({ window: 0.5 }), RangeError, "window must be");
  assertThrows(() => methods.verticalSlash({ lastQueries: 0 }), RangeError, "lastQueries must be");
  const variant = "other" as "chunk";
  assertThrows(() => methods.verticalSlash({ variant }), RangeError, "variant must be");
  assertThrows(() => methods.blockSparse({ block: 0 }), RangeError, "block must be");
});
