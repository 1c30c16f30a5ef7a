import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { HeadFile } from "../../lib/attention/head_file.ts";
import type { HeadPattern } from "../../lib/attention/head_pattern.ts";
import type { MinferenceOptions } from "../../lib/attention/minference.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { BlockSparsePlan, VerticalSlashPlan } from "../../lib/attention/plan.ts";
import { prefillContext } from "./contexts.ts";

const LAYER: HeadPattern[] = [
  { kind: "verticalSlash", vertical: 40, slash: 60 },
  { kind: "aShape", sink: 2, window: 8 },
  { kind: "verticalSlash", vertical: 30, slash: 200 },
  { kind: "aShape", sink: 2, window: 8 },
  { kind: "dense" },
  { kind: "blockSparse", block: 64, topK: 1 },
  { kind: "blockSparse", block: 64, topK: 3 },
];

const TOKENS = 400;

/** A context of these heads that writes down what is asked of it. */
function asking(heads: readonly number[], layer = 0) {
  const asked: [what: string, heads: readonly number[]][] = [];
  const context = prefillContext({ heads, layer, qLen: TOKENS }, {
    verticalSlash: (heads) => {
      asked.push(["verticalSlash", heads]);
      const sums = { vertical: new Float32Array(TOKENS), slash: new Float32Array(TOKENS) };
      return heads.map(() => sums);
    },
    blockScores: (heads) => {
      asked.push(["blockScores", heads]);
      return { scores: new Float32Array(heads.length * 49), rows: 7, columns: 7 };
    },
  });
  return { context, asked };
}

const all = LAYER.map((_, head) => head);

Deno.test("minference() plans each head by its pattern, and heads of a kind by one estimate", async () => {
  const { context, asked } = asking(all);
  const plans = await methods.minference({ heads: [LAYER] }).planPrefill(context);
  assertEquals(asked, [["verticalSlash", [0, 2]], ["blockScores", [5, 6]]]);
  const slashed = [plans[0], plans[2]] as VerticalSlashPlan[];
  assertEquals(slashed.map(({ vertical, slash }) => [vertical.length, slash.length]), [
    [40, 60],
    [30, 200],
  ]);
  assertEquals(plans[1], { kind: "streaming", sink: 2, window: 8 });
  assertStrictEquals(plans[1], plans[3]);
  assertEquals(plans[4], { kind: "dense" });
  const blocks = [plans[5], plans[6]] as BlockSparsePlan[];
  assertEquals(blocks.map(({ blocks }) => blocks[6]!.length), [1, 3]);
});

Deno.test("minference() plans what the methods of its patterns plan, whichever heads are asked for", async () => {
  const { context } = asking([2, 5]);
  const plans = await methods.minference({ heads: [LAYER] }).planPrefill(context);
  const [slashed] = await methods.verticalSlash({ vertical: 30, slash: 200 })
    .planPrefill(asking([2]).context);
  const [blocks] = await methods.blockSparse({ block: 64, topK: 1 })
    .planPrefill(asking([5]).context);
  assertEquals(plans, [slashed!, blocks!]);
});

Deno.test("minference() multiplies columns and diagonals by its ratio, and nothing else", async () => {
  const { context } = asking(all);
  const plans = await methods.minference({ heads: [LAYER], ratio: 1.5 }).planPrefill(context);
  const { vertical, slash } = plans[0] as VerticalSlashPlan;
  assertEquals([vertical.length, slash.length], [60, 90]);
  assertEquals(plans[1], { kind: "streaming", sink: 2, window: 8 });
});

Deno.test("minference() sees every key below its starting layer", async () => {
  const method = methods.minference({ heads: [LAYER, LAYER], startingLayer: 1 });
  const below = asking([0, 1], 0);
  assertEquals(await method.planPrefill(below.context), [{ kind: "dense" }, { kind: "dense" }]);
  assertEquals(below.asked, []);
  const from = asking([0, 1], 1);
  assertEquals((await method.planPrefill(from.context))[0]!.kind, "verticalSlash");
});

Deno.test("minference() is dense in chunks that see fewer keys than an eighth of what patterns were searched with", async () => {
  const { context } = asking(all);
  const source = { by: "test", version: 1, date: null, criterion: null, texts: [], settings: {} };
  const file = (tokens: number): HeadFile => ({
    model: { name: "small", layers: 1, heads: LAYER.length, kvHeads: 1 },
    obtained: [{ ...source, tokens: null }, { ...source, tokens }],
    layers: [{
      queryHeads: LAYER.map((pattern) => ({ type: null, scores: {}, pattern, candidates: [] })),
      kvHeads: [],
    }],
  });
  const kindsOf = async (options: MinferenceOptions) =>
    (await methods.minference(options).planPrefill(context)).map(({ kind }) => kind);
  const dense = LAYER.map(() => "dense");
  const followed = await kindsOf({ heads: [LAYER] });
  assertEquals(await kindsOf({ heads: file(8 * context.kvLength + 8) }), dense);
  assertEquals(await kindsOf({ heads: file(8 * context.kvLength) }), followed);
  const heads = file(8 * context.kvLength + 8);
  assertEquals(await kindsOf({ heads, denseBelow: context.kvLength }), followed);
});

Deno.test("minference() takes a head file and keeps its patterns as options", () => {
  const entry = (pattern: HeadPattern | null) => ({
    type: null,
    scores: {},
    pattern,
    candidates: [],
  });
  const source = { by: "test", version: 1, date: null, criterion: null, tokens: null };
  const file = (patterns: readonly (HeadPattern | null)[]): HeadFile => ({
    model: { name: "small", layers: 1, heads: patterns.length, kvHeads: 1 },
    obtained: [{ ...source, texts: [], settings: {} }],
    layers: [{ queryHeads: patterns.map(entry), kvHeads: [] }],
  });
  const { options } = methods.minference({ heads: file(LAYER) });
  assertEquals(options, { heads: [LAYER], ratio: 1, startingLayer: 0, denseBelow: 0 });
  const without = () => methods.minference({ heads: file([LAYER[0]!, null]) });
  assertThrows(without, RangeError, "layer 0, head 1 as it must have a pattern");
});

Deno.test("minference() refuses options out of range, and models with more heads", async () => {
  const heads = [LAYER];
  assertThrows(() => methods.minference({ heads, ratio: 0 }), RangeError, "ratio must be > 0");
  assertThrows(() => methods.minference({ heads, ratio: NaN }), RangeError, "ratio must be > 0");
  assertThrows(() => methods.minference({ heads, startingLayer: -1 }), RangeError, "startingLayer");
  assertThrows(() => methods.minference({ heads, denseBelow: -1 }), RangeError, "denseBelow");
  assertThrows(() => methods.minference({ heads: [] }), RangeError, "heads must be");
  assertThrows(() => methods.minference({ heads: [7 as never] }), RangeError, "heads must be");
  const broken: HeadPattern = { kind: "aShape", sink: 1, window: 0 };
  assertThrows(() => methods.minference({ heads: [[broken]] }), RangeError, "head 0 as window");
  const method = methods.minference({ heads });
  for (const { context } of [asking([7]), asking([0], 1)]) {
    await assertRejects(async () => await method.planPrefill(context), RangeError, "its pattern");
  }
});
