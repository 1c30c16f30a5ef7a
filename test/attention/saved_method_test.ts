import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Method } from "../../lib/attention/method.ts";
import { type Methods, methods } from "../../lib/attention/methods.ts";
import { prefillContext } from "./contexts.ts";
import { describeMethod, rebuildMethod } from "../../lib/attention/saved_method.ts";

/** Each method with options that are not its defaults. */
const MADE: { readonly [Name in keyof Omit<Methods, "perHead">]: Method } = {
  dense: methods.dense(),
  streaming: methods.streaming({ sink: 1, window: 9 }),
  retrieval: methods.retrieval({ sink: 3, window: 7, topK: 5 }),
  aShape: methods.aShape({ sink: 2, window: 8 }),
  triShape: methods.triShape({ sink: 2, window: 8, last: 3 }),
  slidingWindow: methods.slidingWindow({ window: 6 }),
  verticalSlash: methods.verticalSlash({ vertical: 40, slash: 60, variant: "extend" }),
  adaptive: methods.adaptive({ mass: 0.9, probe: 0.5, most: 0.7 }),
  blockSparse: methods.blockSparse({ block: 16, topK: 2, forced: false }),
  flexPrefill: methods.flexPrefill({ gamma: 0.8, block: 2, minBudget: 3, denseBelow: 4 }),
  minference: methods.minference({
    heads: [[
      { kind: "aShape", sink: 1, window: 5 },
      { kind: "dense" },
      { kind: "verticalSlash", vertical: 3, slash: 4 },
    ]],
    ratio: 0.5,
    startingLayer: 0,
  }),
  xAttention: methods.xAttention({ stride: 1, threshold: [[0.5, 0.6, 0.7]], block: 2 }),
};

function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

Deno.test("rebuildMethod() makes every method again from what describeMethod() says", async () => {
  assertEquals(
    Object.keys(MADE).sort(),
    Object.keys(methods).filter((n) => n !== "perHead").sort(),
  );
  for (const [name, method] of Object.entries(MADE)) {
    const saved = describeMethod(method);
    assert(saved);
    const again = rebuildMethod(throughJson(saved));
    assertEquals([again.name, again.options], [name, method.options]);
    const context = prefillContext({ heads: [0, 2], qStart: 3, qLen: 4 });
    assertEquals(await again.planPrefill(context), await method.planPrefill(context));
    assertEquals(again.residentKeys(0, 0, 5000), method.residentKeys(0, 0, 5000));
    assertEquals(describeMethod(again), saved);
  }
});

Deno.test("describeMethod() does not describe what a user has made, whatever its name", () => {
  const { dense } = MADE;
  const others = [methods.perHead(() => dense), { ...dense }, { ...dense, planPrefill: () => [] }];
  for (const method of others) assertEquals(describeMethod(method), null);
});

Deno.test("rebuildMethod() refuses names and options that are not its own", () => {
  for (const name of ["perHead", "toString", "__proto__", "", "Dense"]) {
    assertThrows(() => rebuildMethod({ name, options: {} }), RangeError, "name must be known");
  }
  const wrong = [{ window: 0, sink: 1 }, { window: 5 }, { sink: 1, window: 5, more: 1 }];
  for (const options of wrong) {
    assertThrows(() => rebuildMethod({ name: "streaming", options }), RangeError, "streaming");
  }
});
