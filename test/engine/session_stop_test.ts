/** What is left of a session after aborts, failures and closing. */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { BudgetError, CancelledError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { maxDifference, nextLogits, onBackends, someIds } from "./tiny_model.ts";

const SAME = 1e-4;

onBackends("close() during a run stops it and frees everything", "llama", async (model) => {
  const before = model.backend.allocatedBytes();
  const session = model.session({ chunkTokens: 16 });
  const run = session.prefill(someIds(2000));
  await assertRejects(async () => {
    for await (const _ of run) session.close();
  }, CancelledError);
  assertEquals(model.backend.allocatedBytes(), before);
});

onBackends("close() while layers() waits frees everything", "llama", async (model) => {
  const before = model.backend.allocatedBytes();
  const session = model.session();
  await session.prefill(someIds(40));
  const walk = session.layers();
  await walk.next();
  session.close();
  assertEquals((await walk.next()).done, true);
  assertEquals(model.backend.allocatedBytes(), before);
});

onBackends("a prefill aborted at any chunk leaves a usable session", "llama", async (model) => {
  const ids = someIds(400);
  const whole = model.session();
  await whole.prefill(ids);
  const expected = await nextLogits(whole);
  for (const stopAt of [32, 96, 160, 320]) {
    const session = model.session({ chunkTokens: 32 });
    const abort = new AbortController();
    const run = session.prefill(ids, { signal: abort.signal });
    await assertRejects(async () => {
      for await (const { done } of run) if (done >= stopAt) abort.abort();
    }, CancelledError);
    assert(session.length >= stopAt && session.length < 400, `${session.length}`);
    assertEquals(session.length % 32, 0);
    const fork = session.fork();
    await fork.prefill(someIds(50, 9));
    await session.prefill(ids.slice(session.length));
    assertLessOrEqual(maxDifference(await nextLogits(session), expected), SAME);
    session.close();
    fork.close();
  }
});

onBackends(
  "generate(), ask(), map() and score() stop with their signal",
  "llama",
  async (model) => {
    const session = model.session({ chunkTokens: 16 });
    await session.prefill(someIds(600));
    const stop = async (work: (signal: AbortSignal) => PromiseLike<unknown>) => {
      const abort = new AbortController();
      let passes = 0;
      const remove = session.hooks.add({ at: "embed" }, () => {
        if (++passes === 3) abort.abort();
      });
      await assertRejects(async () => await work(abort.signal), CancelledError);
      assertEquals(passes, 3);
      remove();
      await session.step();
    };
    await stop((signal) => session.generate({ maxTokens: 5000, signal }));
    await stop((signal) => session.ask("x", { maxTokens: 5000, signal, stop: [] }));
    await stop((signal) => session.score(someIds(3000), { signal }));
    await stop((signal) => session.map(1, 0, { bins: 600, signal }));
  },
);

onBackends("timers run while a session generates", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(200));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  for (let runs = 0; runs < 100 && ticks < 4; runs++) await session.generate({ maxTokens: 50 });
  clearInterval(timer);
  assert(ticks >= 4, `${ticks} ticks while ${session.length - 200} tokens came`);
});

onBackends(
  "a fork after a failed chunk shares nothing that either writes",
  "llama",
  async (model) => {
    const ids = someIds(900);
    const whole = model.session();
    await whole.prefill(ids);
    const session = model.session();
    await session.prefill(ids.slice(0, 100));
    const bytes = session.memory().kvBytes;
    const remove = session.hooks.add({ at: "output", layers: [1] }, () => {
      throw new Error("no");
    });
    await assertRejects(async () => await session.prefill(ids.slice(100)), Error, "no");
    remove();
    assertEquals([session.length, session.memory().kvBytes], [100, bytes]);
    const fork = session.fork();
    await Promise.all([fork.prefill(someIds(800, 4)), session.prefill(ids.slice(100))]);
    assertLessOrEqual(maxDifference(await nextLogits(session), await nextLogits(whole)), SAME);
  },
);

onBackends("score() runs the hooks of its session", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(40));
  const plain = await session.score(someIds(8, 3));
  session.hooks.add({ at: "attention" }, (state) => {
    state.write("out", state.read("out").fill(0));
  });
  const silenced = await session.score(someIds(8, 3));
  assert(maxDifference(plain.logProbs, silenced.logProbs) > 1e-3);
});

onBackends("a failed step leaves nothing behind", "llama", async (model) => {
  const session = model.session({ attention: methods.streaming({ sink: 1, window: 8 }) });
  await session.prefill(someIds(40));
  const remove = session.hooks.add({ at: "logits" }, (state) => {
    state.write("logits", state.read("logits").fill(NaN));
  });
  await assertRejects(() => session.step(), RangeError);
  remove();
  const step = await session.step();
  assertEquals(step.retrieval(0, 0).attended, 9);
});

onBackends("step() after layers() shows what the walk recorded", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(40));
  for await (const state of session.layers({ capture: { layers: [1], heads: [0] } })) state.stage;
  const step = await session.step();
  assertEquals(step.attention(1, 0).length, 40);
  assertEquals(step.counts.attended, step.counts.keys);
  for await (const state of session.layers()) state.stage;
  await assertRejects(() => session.step({ capture: {} }), RangeError, "layers({ capture })");
});

onBackends("ask() with wrong options reads nothing", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(40));
  for (const wrong of [{ maxTokens: 0 }, { temperature: -1 }, { seed: 0.5 }]) {
    await assertRejects(async () => await session.ask("what", wrong), RangeError);
  }
  assertEquals(session.length, 40);
});

onBackends("generate() stops where keys and values no longer fit", "llama", async (model) => {
  const { layers, kvHeads, dim } = model.config;
  const session = model.session({ memoryBytes: 256 * layers * kvHeads * dim * 2 * 4 });
  await session.prefill(someIds(250));
  await assertRejects(async () => await session.generate({ maxTokens: 30 }), BudgetError, "257");
  assertEquals(session.length, 257);
});

onBackends("an aborted prefill leaves the RoPE of a first text alone", "llama", async (model) => {
  const session = model.session({ chunkTokens: 16 });
  const signal = AbortSignal.abort();
  await assertRejects(async () => await session.prefill(someIds(900), { signal }), CancelledError);
  await session.prefill(someIds(30));
  const fresh = model.session();
  await fresh.prefill(someIds(30));
  assertLessOrEqual(maxDifference(await nextLogits(session), await nextLogits(fresh)), SAME);
});
