import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { TopKeys } from "../../ffi/backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { DecodeContext, SearchRequest } from "../../lib/attention/method.ts";
import { prefillContext } from "./contexts.ts";

function decodeContext(position: number, heads: readonly number[], asked: SearchRequest[] = []) {
  const search = (request: SearchRequest): TopKeys[] => {
    asked.push(request);
    return request.heads.map((head) => ({
      indices: Int32Array.of(request.end - 1 - head, request.start),
      scores: Float32Array.of(2, 1),
    }));
  };
  return { layer: 1, heads, position, search } satisfies DecodeContext;
}

Deno.test("dense() plans every key in both phases", async () => {
  const method = methods.dense();
  const context = prefillContext({ heads: [0, 1] });
  assertEquals(await method.planPrefill(context), [{ kind: "dense" }, { kind: "dense" }]);
  assertEquals(await method.planDecode(decodeContext(7, [3])), [{ kind: "dense" }]);
  assertEquals(method.residentKeys(0, 0, 77), 77);
});

Deno.test("streaming() has the published defaults and shares one plan", async () => {
  const method = methods.streaming();
  const [first, second] = await method.planDecode(decodeContext(7, [0, 1]));
  assertEquals(first, { kind: "streaming", sink: 4, window: 512 });
  assertStrictEquals(first, second);
  assertEquals(method.residentKeys(0, 0, 10_000), 516);
});

Deno.test("retrieval() prefills densely and searches what the static set leaves", async () => {
  const method = methods.retrieval({ sink: 10, window: 20, topK: 2 });
  const context = prefillContext();
  assertEquals(await method.planPrefill(context), [{ kind: "dense" }]);
  const asked: SearchRequest[] = [];
  const [plan] = await method.planDecode(decodeContext(99, [1], asked));
  assertEquals(asked, [{ index: "exact", heads: [1], start: 10, end: 80, topK: 2 }]);
  assertEquals(plan, {
    kind: "staticPlusRetrieved",
    sink: 10,
    window: 20,
    index: "exact",
    topK: 2,
    retrieved: [10, 78],
  });
});

Deno.test("retrieval() asks no index while the static set holds everything", async () => {
  const asked: SearchRequest[] = [];
  await methods.retrieval({ sink: 10, window: 20 }).planDecode(decodeContext(29, [0], asked));
  assertEquals(asked, []);
});

Deno.test("perHead() lets each head have its method and asks each method once", async () => {
  const asked: SearchRequest[] = [];
  const [dense, search] = [methods.dense(), methods.retrieval({ sink: 0, window: 1 })];
  const method = methods.perHead((_layer, head) => head % 2 === 0 ? dense : search);
  const plans = await method.planDecode(decodeContext(50, [0, 1, 2, 3], asked));
  assertEquals(plans.map((plan) => plan.kind), [
    "dense",
    "staticPlusRetrieved",
    "dense",
    "staticPlusRetrieved",
  ]);
  assertEquals(asked.map(({ heads }) => heads), [[1, 3]]);
  assertEquals(method.residentKeys(0, 1, 50), 1);
});

Deno.test("methods refuse options out of range", async () => {
  assertThrows(() => methods.streaming({ window: 0 }), RangeError, "window must be");
  assertThrows(() => methods.streaming({ sink: 0.5 }), RangeError, "sink must be");
  assertThrows(() => methods.retrieval({ topK: -1 }), RangeError, "topK must be");
  const graph = "graph" as "exact";
  assertThrows(() => methods.retrieval({ index: graph }), RangeError, 'index must be "exact"');
  const failing = methods.perHead(() => {
    throw new RangeError("no such head");
  });
  await assertRejects(async () => await failing.planDecode(decodeContext(1, [0])), RangeError);
});
