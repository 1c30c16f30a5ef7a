import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
} from "@std/assert";
import type { Method } from "../../lib/attention/method.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { openSession, type Session } from "../../lib/engine/session.ts";
import { maxDifference, nextLogits, onBackends, someIds, type TinyModel } from "./tiny_model.ts";

/** `sliding_window` of the checkpoints. */
const WINDOW = { mistral_window: 11, qwen2_window: 10 };
/** The same sums over other tiles. */
const TOLERANCE = 1e-5;
const TOKENS = 70;

/** The model as if its layers showed every key. */
function unwindowed(model: TinyModel, attention: Method): Session {
  const config = { ...model.config, windows: model.config.windows.map(() => null) };
  return openSession({ ...model, config }, {
    attention,
    kv: "f32",
    kvTier: "fast",
    chunkTokens: 512,
    seed: 0,
    memoryBytes: Infinity,
    querySamples: 0,
  });
}

/** Every pair of query and key written out: query `i` sees key `j` where `sees(i, j)` says so. */
function masked(sees: (i: number, j: number) => boolean): Method {
  const keys = (i: number) => Array.from({ length: i + 1 }, (_, j) => j).filter((j) => sees(i, j));
  const blocks = Array.from({ length: TOKENS + 1 }, (_, i) => keys(i));
  const plan: HeadPlan = { kind: "blockSparse", block: 1, blocks };
  return {
    name: "masked",
    options: {},
    governsPrefill: true,
    planPrefill: ({ heads }) => heads.map(() => plan),
    planDecode: ({ heads }) => heads.map(() => plan),
    residentKeys: (_layer, _head, length) => length,
  };
}

/** What comes after a prefill, and how probable further tokens are, whose rows get decode plans. */
async function resultsOf(session: Session): Promise<number[]> {
  const ids = someIds(TOKENS);
  await session.prefill(ids.slice(0, 50));
  const { logProbs } = await session.score(ids.slice(50));
  return [...await nextLogits(session), ...logProbs];
}

const WITHIN = WINDOW.mistral_window;
const cases: [name: string, method: Method, sees: (i: number, j: number) => boolean][] = [
  ["dense", methods.dense(), (i, j) => i - j < WITHIN],
  [
    "a narrower streaming",
    methods.streaming({ sink: 3, window: 4 }),
    (i, j) => i - j < WITHIN && (j < 3 || i - j < 4),
  ],
  [
    "a wider streaming",
    methods.streaming({ sink: 3, window: 40 }),
    (i, j) => i - j < WITHIN && (j < 3 || i - j < 40),
  ],
];

for (const [name, method, sees] of cases) {
  onBackends(
    `${name} attention sees what it and the model's window show`,
    "mistral_window",
    async (model) => {
      const found = await resultsOf(model.session({ attention: method }));
      const wanted = await resultsOf(unwindowed(model, masked(sees)));
      assertLessOrEqual(maxDifference(found, wanted), TOLERANCE);
      const without = await resultsOf(unwindowed(model, method));
      assertGreater(maxDifference(found, without), 0.01);
    },
  );
}

onBackends("a sliding window does not depend on chunks", "mistral_window", async (model) => {
  const ids = someIds(TOKENS);
  const wanted = model.session();
  await wanted.prefill(ids);
  const logits = await nextLogits(wanted);
  for (const chunkTokens of [1, 7, 64]) {
    const session = model.session({ chunkTokens });
    await session.prefill(ids);
    assertLessOrEqual(maxDifference(await nextLogits(session), logits), TOLERANCE);
  }
});

onBackends("steps through a sliding window equal one prefill", "mistral_window", async (model) => {
  const stepped = model.session();
  await stepped.prefill(someIds(5));
  for (let count = 0; count < 30; count++) await stepped.step();
  const prefilled = model.session();
  await prefilled.prefill(stepped.ids);
  const [found, wanted] = [await nextLogits(stepped), await nextLogits(prefilled)];
  assertLessOrEqual(maxDifference(found, wanted), TOLERANCE);
});

onBackends("retrieval looks for keys in the layer's window only", "qwen2_window", async (model) => {
  const attention = methods.retrieval({ sink: 2, window: 3, topK: 4 });
  const session = model.session({ attention });
  await session.prefill(someIds(40));
  const { retrieval } = await stepOf(session);
  const [full, cut] = [retrieval(0, 1), retrieval(1, 1)];
  assertEquals([full.scanned, full.attended], [40 - 2 - 3, 2 + 3 + 4]);
  assertEquals([cut.scanned, cut.attended], [WINDOW.qwen2_window - 3, 3 + 4]);
  assertEquals(cut.indices.length, 4);
  assert(cut.indices.every((key) => key >= 40 - WINDOW.qwen2_window && key < 37));
});

onBackends(
  "retrieval asks no index where the window is shorter",
  "mistral_window",
  async (model) => {
    const attention = methods.retrieval({ sink: 2, window: 16, topK: 4 });
    const session = model.session({ attention });
    await session.prefill(someIds(40));
    const { scanned, attended, indices } = (await stepOf(session)).retrieval(1, 0);
    assertEquals([scanned, attended, indices.length], [0, WITHIN, 0]);
  },
);

onBackends("exactMass counts the keys that the window shows", "mistral_window", async (model) => {
  const session = model.session();
  await session.prefill(someIds(40));
  const step = await session.step({ capture: { exactMass: true } });
  assertAlmostEquals(step.retrieval(0, 1).mass!, 1, 1e-6);
  const row = step.attention(0, 1);
  assertEquals(row.findIndex((prob) => prob > 0), 40 - WITHIN);
  assertEquals(step.counts, { scanned: 0, attended: 8 * WITHIN, keys: 8 * 40 });
});

onBackends(
  "map() of a layer with a window pools what its steps attend to",
  "qwen2_window",
  async (model) => {
    const session = model.session();
    await session.prefill(someIds(40));
    const step = await session.step({ capture: {} });
    for (const layer of [0, 1]) {
      const map = await session.map(layer, 2);
      const last = map.mean.subarray(39 * map.bins, 39 * map.bins + 40);
      assertLessOrEqual(maxDifference(last, step.attention(layer, 2)), 1e-6);
      for (let i = 0; i < map.bins; i++) {
        const row = map.mean.subarray(i * map.bins, (i + 1) * map.bins);
        assertAlmostEquals(row.reduce((sum, prob) => sum + prob, 0), 1, 1e-5);
      }
      const pooled = await session.map(layer, 2, { bins: 6 });
      assertAlmostEquals(
        pooled.max.reduce((most, prob) => Math.max(most, prob)),
        Math.max(...map.max),
      );
    }
  },
);

onBackends("memory() counts no keys outside the window", "qwen2_window", async (model) => {
  const session = model.session();
  await session.prefill(someIds(41));
  const perKey = 2 * 4 * model.config.dim * model.config.kvHeads;
  assertEquals(session.memory().residentBytes, perKey * (40 + WINDOW.qwen2_window));
});

/** A step whose methods may be taken out. */
async function stepOf(session: Session) {
  const step = await session.step();
  return { retrieval: step.retrieval.bind(step) };
}
