import { assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { Model } from "../../lib/engine/model.ts";
import { memory } from "../../lib/engine/open_models.ts";

Deno.test("Model.load() shares weights, and the last close() frees them", async () => {
  const [first, second] = await Promise.all([Model.load(), Model.load()]);
  assertEquals(memory().models.map(({ users }) => users), [2]);
  first.close();
  first.close();
  assertEquals(memory().models.map(({ users }) => users), [1]);
  second.close();
  assertEquals(memory().models, []);
});

Deno.test("an abort of one Model.load() leaves another of the same folder alone", async () => {
  const abort = new AbortController();
  const stopped = Model.load(undefined, {
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  const other = Model.load();
  await assertRejects(() => stopped, CancelledError);
  const model = await other;
  assertEquals(memory().models.map(({ users }) => users), [1]);
  model.close();
});

Deno.test("keys of several searches of a head are counted together", async () => {
  const dense = methods.dense();
  const model = await Model.load();
  const session = model.session({
    attention: {
      ...dense,
      async planDecode(context) {
        for (const [sink, window] of [[0, 30], [10, 15]] as const) {
          const { heads } = context;
          const wish = { index: { kind: "exact" }, tail: null, sink, window, batch: 1 } as const;
          await context.search({ wish, heads, topK: 2 });
        }
        return await dense.planDecode(context);
      },
    },
  });
  await session.prefill(Int32Array.from({ length: 40 }, (_, x) => 2 + x));
  assertEquals((await session.step()).retrieval(0, 0).scanned, 25);
  model.close();
});
