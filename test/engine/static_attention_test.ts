/** Decode rows that attend in two parts: on a reference backend that says that it queues its work. */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { Method } from "../../lib/attention/method.ts";
import type { Session } from "../../lib/engine/session.ts";
import { maxDifference, someIds, tiny, type TinyModel } from "./tiny_model.ts";

const TEXT = someIds(60);
const OPTIONS = { sink: 3, window: 8, batch: 4, topK: 5 } as const;
/** The same sums in another order. */
const TOLERANCE = 1e-5;

/** The reference backend that notes what is called. */
function noting(calls: string[], queuesWork: boolean): Backend {
  const backend = openReferenceBackend();
  const { attendKeys, merge, indexes } = backend;
  return Object.assign(backend, {
    queuesWork,
    attendKeys: (...args: Parameters<Backend["attendKeys"]>) => {
      calls.push("attend");
      return attendKeys.apply(backend, args);
    },
    merge: (...args: Parameters<Backend["merge"]>) => {
      calls.push("merge");
      return merge.apply(backend, args);
    },
    indexes: {
      ...indexes,
      searchFlat4: (...args: Parameters<Backend["indexes"]["searchFlat4"]>) => {
        calls.push("search");
        return indexes.searchFlat4(...args);
      },
    },
  });
}

/** What one step calls in its first layer, and its logits. */
async function step(
  queuesWork: boolean,
  attention: Method,
  prepare: (session: Session) => void = () => {},
): Promise<{ calls: string[]; logits: Float32Array }> {
  const calls: string[] = [];
  const model: TinyModel = await tiny("llama", noting(calls, queuesWork));
  const session = model.session({ attention });
  await session.prefill(TEXT);
  prepare(session);
  calls.length = 0;
  let first = Infinity;
  session.hooks.add({ at: "output" }, () => void (first = Math.min(first, calls.length)));
  const { logits } = await session.step();
  model.close();
  return { calls: calls.slice(0, first), logits };
}

Deno.test("a backend that queues work attends to the static keys before the search, and merges", async () => {
  const attention = methods.retrieval({ ...OPTIONS, index: "flat4" });
  const [one, two] = [await step(false, attention), await step(true, attention)];
  assertEquals(one.calls, ["search", "attend"]);
  assertEquals(two.calls, ["attend", "search", "attend", "merge"]);
  assert(maxDifference(one.logits, two.logits) < TOLERANCE);
});

Deno.test("a method whose search is no index's attends in one call", async () => {
  for (const attention of [methods.retrieval(OPTIONS), methods.streaming()]) {
    assertEquals((await step(true, attention)).calls, ["attend"]);
  }
});

Deno.test("a layer that asks no index attends in one call", async () => {
  const heads = [["streaming", "dense", "streaming", "dense"], Array(4).fill("index")] as const;
  const attention = methods.retrieval({ ...OPTIONS, index: "flat4", heads });
  assertEquals((await step(true, attention)).calls, ["attend"]);
});

Deno.test("plans that a hook has changed are attended to as they are", async () => {
  const attention = methods.retrieval({ ...OPTIONS, index: "flat4" });
  const hook = (session: Session) => {
    session.hooks.add({ at: "plan" }, (state) => {
      const plan = { kind: "streaming", sink: 0, window: 4 } as const;
      state.plans = state.plans.map(({ heads }) => ({ heads: heads.map(() => plan) }));
    });
  };
  const [one, two] = [await step(false, attention, hook), await step(true, attention, hook)];
  assertEquals(two.calls, ["attend", "search", "attend"]);
  assertEquals(two.logits, one.logits);
});
