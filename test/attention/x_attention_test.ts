/** XAttention's choices and calibration against `fixtures/make_selection.py`. */
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { BlockScores } from "../../lib/attention/method.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { methods } from "../../lib/attention/methods.ts";
import { xAttentionThresholds } from "../../lib/attention/x_attention_thresholds.ts";
import { prefillContext } from "./contexts.ts";
import fixture from "./fixtures/selection.json" with { type: "json" };
import { contextAt, places, units } from "./selection.ts";

Deno.test("xAttention() chooses by each head's threshold, the first and own blocks always", async () => {
  for (const { thresholds, scores, heads, ...place } of fixture.xAttention) {
    const { length, qStart, block } = place;
    const [rows, columns] = [Math.ceil((length - qStart) / block), Math.ceil(length / block)];
    const context = contextAt(place, [0, 1], {
      antidiagonalScores: (_, options) => {
        assertEquals(options, { block, stride: 4, norm: 2 });
        return { scores: units(scores, 1), rows, columns };
      },
    });
    const method = methods.xAttention({ threshold: [thresholds], block, stride: 4, norm: 2 });
    const wanted = heads.map((blocks): HeadPlan =>
      length <= 2 * block
        ? { kind: "dense" }
        : { kind: "blockSparse", block, from: qStart, blocks: blocks.map(places) }
    );
    assertEquals(await method.planPrefill(context), wanted, JSON.stringify({ place, thresholds }));
  }
});

Deno.test("xAttention() asks nothing about two blocks of keys", async () => {
  const antidiagonalScores = () => {
    throw new Error("asked");
  };
  const context = prefillContext({ qStart: 100, qLen: 156 }, { antidiagonalScores });
  assertEquals(await methods.xAttention().planPrefill(context), [{ kind: "dense" }]);
});

Deno.test("xAttention() refuses a layer or head without a threshold", async () => {
  const method = methods.xAttention({ threshold: [[0.5], [0.5, 0.9]] });
  const plan = async (layer: number, head: number) =>
    await method.planPrefill(prefillContext({ layer, heads: [head], qLen: 300 }));
  assertEquals((await plan(1, 1)).length, 1);
  await assertRejects(() => plan(0, 1), RangeError, "an entry for head 1 of layer 0");
  await assertRejects(() => plan(2, 0), RangeError, "an entry for head 0 of layer 2");
});

Deno.test("xAttention() refuses options out of range", () => {
  assertThrows(() => methods.xAttention({ stride: 0 }), RangeError, "stride must be");
  assertThrows(() => methods.xAttention({ stride: 12 }), RangeError, "multiple of stride 12");
  assertThrows(() => methods.xAttention({ block: 0.5 }), RangeError, "block must be");
  assertThrows(() => methods.xAttention({ norm: 0 }), RangeError, "norm must be above 0");
  assertThrows(() => methods.xAttention({ threshold: 2 }), RangeError, "threshold must be");
  assertThrows(() => methods.xAttention({ threshold: [[0.5, -1]] }), RangeError, "threshold must");
});

/** `heads` equal heads. */
function scoresOf(list: string, count: number): BlockScores {
  return { scores: units(list, 1), rows: count, columns: count };
}

Deno.test("xAttentionThresholds() gives the largest share over texts that true blocks need", () => {
  for (const { share, texts, thresholds } of fixture.thresholds) {
    const samples = texts.map(({ count, truth, scores }) => ({
      truth: scoresOf(truth, count),
      scores: scoresOf(scores, count),
    }));
    const found = xAttentionThresholds(samples, { share });
    assertEquals(found.length, thresholds.length);
    found.forEach((value, head) => assertAlmostEquals(value, thresholds[head]!, 1e-12));
  }
});

Deno.test("xAttentionThresholds() by hand: equal true blocks are the earlier ones", () => {
  const truth = scoresOf("1 0 0.5 0.5", 2);
  const scores = scoresOf("4 0 3 1", 2);
  assertEquals(xAttentionThresholds([{ truth, scores }], { share: 0.5 }), [7 / 8]);
  assertEquals(xAttentionThresholds([{ truth, scores }]), [1]);
});

Deno.test("xAttentionThresholds() refuses parts that do not belong together", () => {
  const [one, four] = [scoresOf("1", 1), scoresOf("1 0 1 1", 2)];
  const calibrate = (truth: BlockScores, scores: BlockScores) => () =>
    xAttentionThresholds([{ truth, scores }]);
  assertThrows(calibrate(one, four), RangeError, "of the size of truth, 1 x 1 x 1: current");
  assertThrows(calibrate(one, scoresOf("0", 1)), RangeError, "a sum above 0");
  assertThrows(() => xAttentionThresholds([]), RangeError, "texts must be one or more");
  const two = scoresOf("1 1", 1);
  const texts = [{ truth: one, scores: one }, { truth: two, scores: two }];
  assertThrows(() => xAttentionThresholds(texts), RangeError, "the same number of heads");
  assertThrows(() => xAttentionThresholds([], { share: 2 }), RangeError, "share must be 0 .. 1");
});
