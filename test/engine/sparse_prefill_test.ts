import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import type { HeadPattern } from "../../lib/attention/head_pattern.ts";
import type { Method } from "../../lib/attention/method.ts";
import { methods } from "../../lib/attention/methods.ts";
import { maxDifference, nextLogits, onBackends, someIds, type TinyModel } from "./tiny_model.ts";

/** The same sums over other tiles. */
const TOLERANCE = 1e-5;
const TOKENS = 300;

async function logitsOf(model: TinyModel, attention: Method, chunkTokens: number) {
  const session = model.session({ attention, chunkTokens });
  await session.prefill(someIds(TOKENS));
  const logits = await nextLogits(session);
  session.close();
  return logits;
}

const FEW = { block: 16, minBudget: 1, denseBelow: 0 };
const RELEASED = { ...FEW, compat: "reference" } as const;

/** A pattern of each kind, for a layer of four heads. */
const everyKey: readonly HeadPattern[] = [
  { kind: "verticalSlash", vertical: TOKENS, slash: 0 },
  { kind: "verticalSlash", vertical: 0, slash: TOKENS },
  { kind: "aShape", sink: 0, window: TOKENS },
  { kind: "blockSparse", block: 16, topK: TOKENS },
];

const everything: [name: string, method: Method][] = [
  ["verticalSlash", methods.verticalSlash({ vertical: TOKENS, slash: TOKENS })],
  ["verticalSlash extend", methods.verticalSlash({ slash: TOKENS, variant: "extend" })],
  ["blockSparse", methods.blockSparse({ block: 16, topK: TOKENS })],
  ["flexPrefill", methods.flexPrefill({ ...FEW, gamma: 1, tau: 0 })],
  ["flexPrefill by pairs", methods.flexPrefill({ ...FEW, gamma: 1, tau: 1 })],
  ["flexPrefill reference", methods.flexPrefill({ ...RELEASED, gamma: 1, block: 128 })],
  ["xAttention", methods.xAttention({ block: 16, threshold: 1 })],
  ["aShape", methods.aShape()],
  ["minference", methods.minference({ heads: [everyKey, everyKey] })],
  ["triShape", methods.triShape({ sink: 0, window: 1, last: TOKENS })],
  ["slidingWindow", methods.slidingWindow()],
  ["adaptive", methods.adaptive({ mass: 1, probe: 1, most: 1 })],
];

for (const [name, method] of everything) {
  onBackends(`prefill() by ${name} of every key equals dense prefill`, "llama", async (model) => {
    const dense = await logitsOf(model, methods.dense(), 512);
    for (const chunkTokens of [512, 110]) {
      const found = await logitsOf(model, method, chunkTokens);
      assertLessOrEqual(maxDifference(found, dense), TOLERANCE);
    }
  });
}

onBackends("prefill() by sparse methods differs from dense prefill", "llama", async (model) => {
  const dense = await logitsOf(model, methods.dense(), 512);
  const sparse = [
    methods.verticalSlash({ vertical: 30, slash: 50 }),
    methods.blockSparse({ block: 16, topK: 2 }),
    methods.flexPrefill({ ...FEW, gamma: 0.02, tau: 0 }),
    methods.flexPrefill({ ...FEW, gamma: 0.3, tau: 1 }),
    methods.flexPrefill({ ...RELEASED, gamma: 0.3 }),
    methods.xAttention({ block: 16, threshold: 0.3 }),
    methods.aShape({ sink: 2, window: 16 }),
    methods.adaptive({ mass: 0.1, probe: 1 }),
  ];
  for (const method of sparse) {
    const found = await logitsOf(model, method, 512);
    assertGreater(maxDifference(found, dense), 100 * TOLERANCE, method.name);
  }
});

onBackends("prefill() gives a method what it keeps from chunk to chunk", "llama", async (model) => {
  const seen: (readonly [layer: number, qStart: number, promptEnd: number, kept: unknown])[] = [];
  const dense = methods.dense();
  const keeping: Method = {
    ...dense,
    governsPrefill: true,
    planPrefill: (context) => {
      const { layer, qStart, promptEnd, memory } = context;
      if (layer === 0) seen.push([layer, qStart, promptEnd, memory.get("last")]);
      memory.set("last", qStart);
      return dense.planPrefill(context);
    },
  };
  await logitsOf(model, keeping, 200);
  assertEquals(seen, [[0, 0, TOKENS, undefined], [0, 200, TOKENS, 0]]);
});
