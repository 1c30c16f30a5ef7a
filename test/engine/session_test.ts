import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { BackendError, BudgetError, CancelledError, SessionBusyError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { maxDifference, nextLogits, onBackends, someIds } from "./tiny_model.ts";

/** Design: any way of reading the same tokens gives the same logits within 1e-4 in f32. */
const SAME = 1e-4;

onBackends("prefill() gives the same logits for any chunk size", "llama", async (model) => {
  const ids = someIds(301);
  for (const attention of [methods.dense(), methods.streaming({ sink: 3, window: 50 })]) {
    const found: Float32Array[] = [];
    for (const chunkTokens of [301, 64, 37]) {
      const session = model.session({ chunkTokens, attention });
      await session.prefill(ids);
      found.push(await nextLogits(session));
      session.close();
    }
    for (const logits of found) assertLessOrEqual(maxDifference(logits, found[0]!), SAME);
  }
});

onBackends("step-by-step decoding gives the logits of one prefill", "qwen3", async (model) => {
  for (const attention of [methods.dense(), methods.streaming({ sink: 2, window: 20 })]) {
    const stepped = model.session({ attention });
    await stepped.prefill(someIds(30));
    for (let x = 0; x < 40; x++) await stepped.step();
    const whole = model.session({ attention });
    await whole.prefill(stepped.ids);
    assertLessOrEqual(maxDifference(await nextLogits(stepped), await nextLogits(whole)), SAME);
  }
});

onBackends("ask() computes what prefill() would with dense attention", "llama", async (model) => {
  const asked = model.session();
  await asked.prefill(someIds(100));
  const forked = asked.fork();
  const answers: Float32Array[] = [];
  for await (const event of asked.ask("what now", { template: null, maxTokens: 1 })) {
    if (event.kind === "step") answers.push(event.logits);
  }
  await forked.prefill("what now");
  assertLessOrEqual(maxDifference(answers[0]!, (await forked.step()).logits), SAME);
});

onBackends("retrieval() of every key equals dense attention", "llama", async (model) => {
  const ids = someIds(300);
  const dense = model.session();
  await dense.prefill(ids);
  const all = dense.fork({ attention: methods.retrieval({ sink: 4, window: 16, topK: 1000 }) });
  assertLessOrEqual(maxDifference(await nextLogits(dense), await nextLogits(all)), SAME);
});

onBackends("step() counts what was scanned and attended", "llama", async (model) => {
  const session = model.session({
    attention: methods.retrieval({ sink: 4, window: 16, topK: 10 }),
  });
  await session.prefill(someIds(300));
  const step = await session.step();
  const heads = model.config.layers * model.config.heads;
  assertEquals(step.counts, { scanned: heads * 280, attended: heads * 30, keys: heads * 300 });
  const found = step.retrieval(1, 2);
  assertEquals(found.indices.length, 10);
  assertEquals([found.scanned, found.attended, found.keys, found.mass], [280, 30, 300, null]);
  assert(found.indices.every((key) => key >= 4 && key < 284));
});

onBackends(
  "step() captures rows that sum to one over the attended keys",
  "qwen2",
  async (model) => {
    const session = model.session({ attention: methods.streaming({ sink: 2, window: 10 }) });
    await session.prefill(someIds(60));
    const step = await session.step({ capture: { layers: [1], heads: [0, 3], exactMass: true } });
    for (const head of [0, 3]) {
      const row = step.attention(1, head);
      assertEquals(row.length, 60);
      assertAlmostEquals(row.reduce((sum, p) => sum + p, 0), 1, 1e-5);
      assert(row.subarray(2, 50).every((p) => p === 0));
      const mass = step.retrieval(1, head).mass!;
      assert(mass > 0 && mass <= 1 + 1e-5);
    }
    assertThrows(() => step.attention(0, 0), RangeError, "capture: { layers: [0], heads: [0] }");
    assertThrows(() => step.attention(1, 1), RangeError, "capture");
    assertThrows(() => step.attention(9, 0), RangeError, "layers 0 .. 1");
  },
);

onBackends("map() pools the rows that step() captures", "llama", async (model) => {
  const session = model.session({ chunkTokens: 16 });
  await session.prefill(someIds(41));
  const step = await session.step({ capture: {} });
  const map = await session.map(1, 2, { bins: 64 });
  assertEquals([map.bins, map.tokens], [42, 42]);
  const row = map.mean.subarray(40 * 42, 40 * 42 + 41);
  assertLessOrEqual(maxDifference(row, step.attention(1, 2)), 1e-5);
  const pooled = await session.map(1, 2, { bins: 5 });
  for (let row = 0; row < 5; row++) {
    const sum = pooled.mean.subarray(row * 5, row * 5 + 5).reduce((a, b) => a + b, 0);
    assertAlmostEquals(sum, 1, 1e-4);
  }
  await assertRejects(() => session.map(2, 0), RangeError, "layer must be 0 .. 1");
});

onBackends("fork() leaves the parent untouched", "llama", async (model) => {
  const parent = model.session();
  await parent.prefill(someIds(300));
  const before = await nextLogits(parent);
  const fork = parent.fork();
  await fork.prefill(someIds(300, 5));
  await fork.generate({ maxTokens: 5 });
  assertEquals(maxDifference(await nextLogits(parent), before), 0);
  assertEquals(parent.length, 300);
  const grown = parent.fork();
  parent.close();
  await grown.step();
  assertEquals(grown.length, 301);
});

onBackends("hooks that change nothing change nothing", "llama", async (model) => {
  const plain = model.session();
  await plain.prefill(someIds(50));
  const hooked = model.session();
  const seen = new Set<string>();
  for (const at of ["embed", "qkv", "plan", "attention", "output", "logits"] as const) {
    hooked.hooks.add({ at }, (state) => {
      seen.add(state.stage);
      for (const name of state.names) state.write(name, state.read(name));
      state.plans = [...state.plans];
    });
  }
  await hooked.prefill(someIds(50));
  assertEquals(maxDifference(await nextLogitsOf(hooked), await nextLogitsOf(plain)), 0);
  assertEquals(seen.size, 6);
  async function nextLogitsOf(session: typeof plain) {
    return (await session.step()).logits;
  }
});

onBackends(
  "a hook that silences a head changes the logits until removed",
  "llama",
  async (model) => {
    const session = model.session();
    await session.prefill(someIds(50));
    const before = await nextLogits(session);
    const { heads, dim } = model.config;
    const remove = session.hooks.add({ at: "attention", layers: [0] }, (state) => {
      const out = state.read("out");
      for (let row = 0; row < state.rows.count; row++) {
        out.fill(0, (row * heads + 1) * dim, (row * heads + 2) * dim);
      }
      state.write("out", out);
    });
    const changed = (await session.step()).logits;
    remove();
    assert(maxDifference(before, changed) > 1e-3);
  },
);

onBackends("layers() walks all places and can patch the logits", "qwen2", async (model) => {
  const session = model.session();
  await session.prefill(someIds(20));
  const stages: string[] = [];
  for await (const state of session.layers()) {
    stages.push(state.stage);
    if (state.stage !== "logits") continue;
    const logits = state.read("logits").fill(0);
    logits[42] = 9;
    state.write("logits", logits);
  }
  const layer = ["qkv", "plan", "attention", "output"];
  assertEquals(stages, ["embed", ...layer, ...layer, "logits"]);
  assertEquals((await session.step()).token, 42);
});

onBackends("layers() left early changes nothing", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(20));
  const before = await nextLogits(session);
  for await (const state of session.layers()) {
    if (state.layer === 1) break;
  }
  assertEquals(maxDifference((await session.step()).logits, before), 0);
});

onBackends("a state refuses arrays it does not hold and wrong lengths", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(20));
  for await (const state of session.layers()) {
    if (state.stage !== "qkv") continue;
    assertThrows(() => state.read("logits"), RangeError, "stage qkv holds q, k, v");
    assertThrows(() => state.write("q", new Float32Array(3)), TypeError);
    break;
  }
});

onBackends("perHead() mixes methods in one layer", "llama", async (model) => {
  const [dense, narrow] = [methods.dense(), methods.streaming({ sink: 1, window: 5 })];
  const session = model.session({
    attention: methods.perHead((layer, head) => (layer + head) % 2 === 0 ? dense : narrow),
  });
  await session.prefill(someIds(100));
  const step = await session.step();
  assertEquals(step.retrieval(0, 0).attended, 100);
  assertEquals(step.retrieval(0, 1).attended, 6);
  assertEquals(step.retrieval(1, 1).attended, 100);
});

onBackends(
  "score() after a context gives what score() of the whole text gives",
  "llama",
  async (model) => {
    const session = model.session();
    await session.prefill(someIds(40));
    const { logProbs } = await session.score(someIds(6, 3));
    const whole = await model.session().score(Int32Array.of(...someIds(40), ...someIds(6, 3)));
    assertLessOrEqual(maxDifference(logProbs, whole.logProbs.subarray(40)), SAME);
    assertEquals(session.length, 40);
    assert(Number.isNaN(whole.logProbs[0]));
  },
);

onBackends(
  "score() scores the first id where the last token has its keys",
  "llama",
  async (model) => {
    const session = model.session();
    await session.prefill(someIds(40));
    const wanted = await session.score(someIds(6, 3));
    await session.map(0, 0);
    assertEquals(await session.score(someIds(6, 3)), wanted);
  },
);

onBackends("score() of the last ids gives their part of the whole", "llama", async (model) => {
  const session = model.session({ chunkTokens: 7 });
  const ids = someIds(40);
  const whole = await session.score(ids);
  for (const last of [1, 7, 13, 39]) {
    const { logProbs, total, bitsPerByte } = await session.score(ids, { last });
    const wanted = whole.logProbs.subarray(-last);
    assertEquals(
      logProbs,
      new Float32Array(40).fill(NaN).fill(0, -last).map((x, at) => x + whole.logProbs[at]!),
    );
    assertAlmostEquals(total, wanted.reduce((sum, x) => sum + x, 0), 1e-3);
    const bytes = new TextEncoder().encode(model.tokenizer.decode(ids.subarray(-last))).length;
    assertAlmostEquals(bitsPerByte, -total / Math.LN2 / bytes, 1e-9);
  }
  assertEquals(await session.score(ids, { last: 40 }), whole);
  for (const last of [0, 1.5, NaN]) {
    await assertRejects(() => session.score(ids, { last }), RangeError, "last must be");
  }
});

onBackends(
  "score() computes no probabilities of ids that are not scored",
  "llama",
  async (model) => {
    const session = model.session({ chunkTokens: 10 });
    const { logProbs } = model.backend;
    let rows = 0;
    model.backend.logProbs = (logits, targets) => {
      rows += targets.length;
      return logProbs.call(model.backend, logits, targets);
    };
    await session.score(someIds(40), { last: 3 });
    assertEquals(rows, 9);
  },
);

onBackends(
  "generate() repeats itself for a seed and differs for another",
  "llama",
  async (model) => {
    const session = model.session();
    await session.prefill(someIds(40));
    const run = async (seed: number) => {
      const fork = session.fork();
      const { ids } = await fork.generate({ maxTokens: 12, temperature: 1.5, seed });
      fork.close();
      return ids.join();
    };
    assertEquals(await run(7), await run(7));
    assert(await run(7) !== await run(8));
  },
);

onBackends(
  "a session refuses a second run, and runs after it is closed",
  "llama",
  async (model) => {
    const session = model.session();
    const run = session.prefill(someIds(600));
    assertThrows(() => session.prefill(someIds(3)), SessionBusyError, "current run is prefill");
    assertThrows(() => session.fork(), SessionBusyError);
    await run;
    const walk = session.layers();
    await walk.next();
    assertThrows(() => session.generate(), SessionBusyError, "current run is layers");
    await walk.return();
    session.close();
    session.close();
    assertThrows(() => session.prefill(someIds(3)), BackendError, "session is closed");
    assertThrows(() => session.fork(), BackendError, "session is closed");
  },
);

onBackends("leaving the loop over a run stops it", "llama", async (model) => {
  const session = model.session();
  await session.prefill(someIds(30));
  let steps = 0;
  for await (const step of session.generate({ maxTokens: 1000 })) {
    assertEquals(step.kind, "step");
    if (++steps === 3) break;
  }
  assert(session.length >= 33 && session.length < 1030);
  await session.step();
});

onBackends("an aborted signal starts nothing", "llama", async (model) => {
  const session = model.session();
  const signal = AbortSignal.abort();
  await assertRejects(async () => await session.prefill(someIds(30), { signal }), CancelledError);
  assertEquals(session.length, 0);
  await session.prefill(someIds(30));
});

onBackends("prefill() reports its progress", "llama", async (model) => {
  const session = model.session({ chunkTokens: 16 });
  const seen: number[] = [];
  const run = session.prefill(someIds(50));
  for await (const { done, total } of run) {
    assertEquals(total, 49);
    seen.push(done);
  }
  assertEquals(seen, [16, 32, 48, 49]);
  assertEquals((await run).tokens, 50);
});

onBackends("a session refuses what does not fit and keeps what it had", "llama", async (model) => {
  const session = model.session({ memoryBytes: 600_000 });
  await session.prefill(someIds(200));
  const error = await assertRejects(
    async () => await session.prefill(someIds(5000)),
    BudgetError,
    "bytes and may take 600000",
  );
  assert(error.message.includes("5200 tokens"));
  assertEquals(session.length, 200);
  await session.step();
});

onBackends("a session refuses wrong input", "llama", async (model) => {
  const session = model.session();
  await assertRejects(async () => await session.step(), RangeError, "holds no tokens");
  await assertRejects(async () => await session.prefill(Int32Array.of(3, 88)), RangeError, "< 88");
  assertEquals(session.length, 0);
  await session.prefill(someIds(3));
  const wrong = async (options: Parameters<typeof session.generate>[0]) =>
    await session.generate(options!);
  await assertRejects(() => wrong({ maxTokens: 0 }), RangeError, "maxTokens must be");
  await assertRejects(() => wrong({ temperature: -1 }), RangeError, "temperature must be");
  await assertRejects(async () => await session.map(0, 4), RangeError, "head must be 0 .. 3");
  await assertRejects(async () => await session.map(0, 0, { bins: 0 }), RangeError, "bins must be");
  await session.step();
});

onBackends("memory() tells what a fast tier would hold", "llama", async (model) => {
  const session = model.session({ attention: methods.retrieval({ sink: 8, window: 32 }) });
  await session.prefill(someIds(301));
  const { layers, kvHeads, dim } = model.config;
  const token = layers * kvHeads * dim * 2 * 4;
  const { tokens, kvBytes, residentBytes } = session.memory();
  assertEquals([tokens, residentBytes], [300, 40 * token]);
  assert(kvBytes >= 512 * token);
});
