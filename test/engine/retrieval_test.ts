import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import type { RetrievalOptions } from "../../lib/attention/retrieval.ts";
import type { Session } from "../../lib/engine/session.ts";
import { maxDifference, onBackends, type TinyModel } from "./tiny_model.ts";

const STATIC = { sink: 3, window: 8, batch: 4 } as const;
const KINDS = ["exact", "graph", "clusters", "flat4", "pages", "blocks", "auto"] as const;
const TEXT = Int32Array.from({ length: 90 }, (_, x) => (x * 37 + 11) % 88);
const QUESTION = Int32Array.from({ length: 6 }, (_, x) => (x * 17 + 5) % 88);
/** The same sums in another order. */
const TOLERANCE = 2e-5;

/** Logits of five steps behind a question, every token of it read through the method. */
async function answer(session: Session): Promise<Float32Array[]> {
  const logits: Float32Array[] = [];
  await session.prefill(QUESTION);
  for (let step = 0; step < 5; step++) logits.push((await session.step()).logits);
  return logits;
}

function sessionOf(model: TinyModel, options: RetrievalOptions): Session {
  const attention = methods.retrieval({ ...STATIC, ...options });
  return model.session({ attention, querySamples: 4096 });
}

onBackends(
  "with room for all keys every index answers as dense attention",
  "llama",
  async (model) => {
    const dense = model.session();
    await dense.prefill(TEXT);
    const wanted = await answer(dense);
    for (const index of KINDS) {
      for (const tail of ["none", "clusters"] as const) {
        const session = sessionOf(model, { index, topK: 200, tail });
        await session.prefill(TEXT);
        const found = await answer(session);
        found.forEach((logits, step) => {
          const off = maxDifference(logits, wanted[step]!);
          assert(off < TOLERANCE, `${index}, tail ${tail}, step ${step}: ${off}`);
        });
        session.close();
      }
    }
  },
);

onBackends(
  "rows that are read together may be more than the window, and be computed again later",
  "llama",
  async (model) => {
    const question = String.fromCharCode(...TEXT.subarray(0, 50));
    const ask = { template: "{question}", maxTokens: 2, stop: [] };
    const dense = model.session();
    await dense.prefill(TEXT.subarray(0, 30));
    const wanted = await dense.ask(question, ask);
    for (const index of KINDS) {
      for (const tail of ["none", "clusters"] as const) {
        const session = sessionOf(model, { window: 2, batch: 1, index, topK: 2 ** 40, tail });
        await session.prefill(TEXT.subarray(0, 30));
        assertEquals((await session.ask(question, ask)).ids, wanted.ids, `${index}, tail ${tail}`);
        await session.prefill(TEXT);
        const map = await session.map(1, 0, { bins: 8 });
        assert(map.mean.every((mean) => mean >= 0), `${index}, tail ${tail}`);
        session.close();
      }
    }
  },
);

onBackends("the tail brings an answer nearer to dense attention", "llama", async (model) => {
  const logitsOf = async (session: Session) => {
    await session.prefill(TEXT);
    return (await session.step()).logits;
  };
  const wanted = await logitsOf(model.session());
  const offBy = async (tail: "none" | "clusters") => {
    const logits = await logitsOf(sessionOf(model, { topK: 2, tail, batch: 1 }));
    return maxDifference(logits, wanted);
  };
  const [without, withTail] = [await offBy("none"), await offBy("clusters")];
  assert(withTail < 0.7 * without, `${withTail} with, ${without} without`);
});

onBackends("a step tells what was searched and attended", "llama", async (model) => {
  const attention = methods.retrieval({ ...STATIC, index: "flat4", topK: 5 });
  const session = model.session({ attention, querySamples: 0 });
  await session.prefill(TEXT);
  assert(session.indexes().every(({ wish }) => wish === attention.indexes![0]));
  const step = await session.step();
  // The last token is at 89: keys 3 .. 81 have left the window, 78 when the index was built at the end of the prefill.
  const { indices, attended, keys, scanned } = step.retrieval(0, 0);
  assertEquals([indices.length, keys], [5, 90]);
  assert(indices.every((key) => key >= 3 && key < 82));
  assert(scanned >= 5 && scanned <= 15);
  const plan = step.plan(0).heads[0]!;
  assert(plan.kind === "staticPlusRetrieved");
  assertEquals(plan.index, "flat4");
  assertEquals(attended, 3 + plan.window + 5);
  const stats = session.indexes();
  assertEquals(stats.map(({ layer }) => layer), model.config.windows.map((_, layer) => layer));
  assert(stats.every(({ kind, keys }) => kind === "flat4" && keys === 90 - plan.window - 3));
  assertEquals(session.memory().indexBytes, stats.reduce((sum, { bytes }) => sum + bytes, 0));
});

onBackends("keys that leave the window are taken in by the batch", "llama", async (model) => {
  const session = sessionOf(model, { index: "clusters", topK: 4 });
  await session.prefill(TEXT);
  const windows: number[] = [];
  for (let x = 0; x < 10; x++) {
    const plan = (await session.step()).plan(0).heads[0]!;
    assert(plan.kind === "staticPlusRetrieved");
    windows.push(plan.window);
  }
  assert(windows.every((window) => window >= 8 && window < 8 + 4), `${windows}`);
  assertEquals(new Set(windows).size, 4);
  const [stats] = session.indexes();
  assert(stats!.appended >= 8);
});

onBackends("each head does what its mode says", "llama", async (model) => {
  const { layers, heads } = model.config;
  const modes = Array.from(
    { length: layers },
    (_, layer) =>
      Array.from(
        { length: heads },
        (_, head) => (["index", "tail", "dense", "streaming"] as const)[(layer + head) % 4]!,
      ),
  );
  const session = sessionOf(model, { topK: 5, tail: "clusters", heads: modes });
  await session.prefill(TEXT);
  const step = await session.step();
  modes.forEach((row, layer) =>
    row.forEach((mode, head) => {
      const { indices, attended, scanned } = step.retrieval(layer, head);
      const plan = step.plan(layer).heads[head]!;
      const recent = plan.kind === "staticPlusRetrieved" ? plan.window : 8;
      const wanted = { index: 5 + 3 + recent, tail: 3 + recent, dense: 90, streaming: 11 }[mode];
      assertEquals(attended, wanted, mode);
      assertEquals(indices.length, mode === "index" ? 5 : 0);
      assertEquals(scanned > 2, mode === "index");
      assertEquals("tail" in plan, mode === "index" || mode === "tail");
    })
  );
  assertThrows(() => methods.retrieval({ heads: modes }), RangeError, 'tail must be "clusters"');
  const wrong = [["most"]] as unknown as readonly (readonly "index"[])[];
  assertThrows(() => methods.retrieval({ heads: wrong }), RangeError, "mode must be of index");
});

onBackends("a mass is reached with fewer keys, and the step says so", "llama", async (model) => {
  for (const index of ["exact", "flat4"] as const) {
    const session = sessionOf(model, { index, topK: 80, mass: 0.9, batch: 1 });
    await session.prefill(TEXT);
    const step = await session.step({ capture: { exactMass: true } });
    for (let layer = 0; layer < model.config.layers; layer++) {
      for (let head = 0; head < model.config.heads; head++) {
        const { kept, mass, indices } = step.retrieval(layer, head);
        assertEquals(kept!.kind, index === "exact" ? "exact" : "estimate");
        assert(kept!.mass >= 0.9);
        assert(Math.abs(kept!.mass - mass!) < (index === "exact" ? 1e-4 : 0.03));
        assert(indices.length < 79);
      }
    }
    session.close();
  }
});

onBackends("a mass needs an index that can tell", "llama", async (model) => {
  const session = sessionOf(model, { index: "clusters", mass: 0.9 });
  await session.prefill(TEXT);
  await assertRejects(() => session.step(), RangeError, "must be exact, flat4 or pages");
  const other = sessionOf(model, { index: "clusters", mass: 0.9, tail: "clusters", topK: 70 });
  await other.prefill(TEXT);
  assertEquals((await other.step()).retrieval(0, 0).kept!.kind, "estimate");
});

onBackends("forks share the index and go their own ways", "llama", async (model) => {
  const session = sessionOf(model, { index: "graph", topK: 6 });
  await session.prefill(TEXT);
  const alone = sessionOf(model, { index: "graph", topK: 6 });
  await alone.prefill(TEXT);
  const wanted = await answer(alone);
  const fork = session.fork();
  for (let x = 0; x < 12; x++) await session.step();
  const found = await answer(fork);
  found.forEach((logits, step) => assertEquals(logits, wanted[step]));
});

onBackends("a second text longer than the first builds the index anew", "llama", async (model) => {
  const session = sessionOf(model, { index: "clusters", topK: 6 });
  await session.prefill(TEXT.subarray(0, 30));
  assertEquals(session.indexes()[0]!.appended, 0);
  await session.prefill(TEXT.subarray(0, 10));
  assert(session.indexes()[0]!.appended > 0);
  await session.prefill(TEXT);
  assertEquals(session.indexes()[0]!.appended, 0);
});

onBackends(
  "a session without kept queries refuses a graph and says what is missing",
  "llama",
  async (model) => {
    const session = model.session({
      attention: methods.retrieval({ ...STATIC, index: "graph" }),
      querySamples: 0,
    });
    await assertRejects(() => session.prefill(TEXT), RangeError, "must have kept queries");
    assertThrows(
      () => methods.retrieval({ index: { kind: "graph", degree: 1 } }),
      RangeError,
      "degree",
    );
  },
);

onBackends(
  "a restored session has its indexes, and answers with the same bits",
  "llama",
  async (model) => {
    const folder = await Deno.makeTempDir();
    const { restoreSession } = await import("../../lib/engine/session_file/restore.ts");
    try {
      const cases = [["graph", 90], ["clusters", 90], ["flat4", 90], ["graph", 14]] as const;
      for (const [index, tokens] of cases) {
        const session = sessionOf(model, { index, topK: 6, batch: 2, tail: "clusters" });
        await session.prefill(TEXT.subarray(0, tokens));
        await session.step();
        assert(session.indexes().length > 0);
        await session.save(`${folder}/saved`);
        const scope = {
          emit: () => {},
          signal: new AbortController().signal,
          control: model.backend.control(),
        };
        const again = await restoreSession(
          model,
          `${folder}/saved`,
          { memoryBytes: Infinity },
          scope,
        );
        const plain = (some: Session) => some.indexes().map(({ appendMs: _, ...stats }) => stats);
        assertEquals(plain(again), plain(session));
        const [a, b] = [await answer(session), await answer(again)];
        a.forEach((logits, step) => assertEquals(logits, b[step]));
        session.close();
        again.close();
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
