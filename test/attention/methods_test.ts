import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import type { DecodeContext, SearchAnswer, SearchRequest } from "../../lib/attention/method.ts";
import type { RetrievalOptions } from "../../lib/attention/retrieval.ts";
import { prefillContext } from "./contexts.ts";

function decodeContext(position: number, heads: readonly number[], asked: SearchRequest[] = []) {
  const search = (request: SearchRequest): SearchAnswer => {
    asked.push(request);
    const { sink, window } = request.wish;
    const end = position + 1 - window;
    const found = request.heads.map((head) => ({
      indices: Int32Array.of(end - 1 - head, sink),
      scores: Float32Array.of(2, 1),
    }));
    return { found, end, hasTail: request.wish.tail !== null };
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
  const wish = { index: { kind: "exact" as const }, tail: null, sink: 10, window: 20, batch: 1 };
  assertEquals(asked, [{ wish, heads: [1], topK: 2, mass: undefined }]);
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

Deno.test("retrieval() wants its index, its own options filled in, and a tail where it is asked for", () => {
  const options = { index: "graph", ef: 300, tail: "clusters", sink: 4, window: 8 } as const;
  const [wish] = methods.retrieval(options).indexes!;
  assertEquals(wish, {
    index: {
      ...{ kind: "graph", degree: 32, width: 300, buildWidth: 50 },
      ...{ queryShare: 0.24, keyShare: 1, listLength: 64, perQueryHead: false },
    },
    tail: { clusterKeys: 64, iterations: 4 },
    ...{ sink: 4, window: 8, batch: 256 },
  });
});

Deno.test("retrieval() estimates the tail by default where its index may be a graph", () => {
  const tailOf = (options: RetrievalOptions) => methods.retrieval(options).indexes![0]!.tail;
  for (const index of ["graph", "auto"] as const) {
    assertEquals(tailOf({ index }), { clusterKeys: 64, iterations: 4 });
    assertEquals(tailOf({ index, tail: "none" }), null);
  }
  for (const index of ["exact", "flat4"] as const) assertEquals(tailOf({ index }), null);
});

Deno.test("retrieval() counts keys that are not in the index yet to the window, and asks for the tail", async () => {
  const method = methods.retrieval({ sink: 10, window: 20, topK: 2, tail: "clusters" });
  const none = { indices: new Int32Array(), scores: new Float32Array() };
  const search = (): SearchAnswer => ({ found: [none], end: 64, hasTail: true });
  const [plan] = await method.planDecode({ layer: 0, heads: [0], position: 99, search });
  assertEquals(plan, {
    ...{ kind: "staticPlusRetrieved", sink: 10, window: 36, index: "exact", topK: 2 },
    ...{ retrieved: [], tail: "clusters" },
  });
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
  const index = "tree" as "exact";
  assertThrows(() => methods.retrieval({ index }), RangeError, "index must be of exact,graph");
  const wide = { kind: "graph", width: 0 } as const;
  assertThrows(
    () => methods.retrieval({ index: wide }),
    RangeError,
    "width must be a whole number",
  );
  const wrong = { kind: "flat4", ef: 3 } as unknown as { kind: "flat4" };
  assertThrows(() => methods.retrieval({ index: wrong }), RangeError, "options of index flat4");
  assertThrows(() => methods.retrieval({ ef: 100 }), RangeError, "index must be graph or hnsw");
  assertThrows(() => methods.retrieval({ mass: 1.5 }), RangeError, "mass must be above 0");
  const tail = "all" as "none";
  assertThrows(() => methods.retrieval({ tail }), RangeError, "tail must be");
  const failing = methods.perHead(() => {
    throw new RangeError("no such head");
  });
  await assertRejects(async () => await failing.planDecode(decodeContext(1, [0])), RangeError);
});
