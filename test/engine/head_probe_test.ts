import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { BudgetError } from "../../ffi/errors.ts";
import { lower } from "../../lib/attention/lower.ts";
import type { Method } from "../../lib/attention/method.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import type { HeadTrial, LayerProbe } from "../../lib/engine/head_probe.ts";
import type { Session } from "../../lib/engine/session.ts";
import { keysOfRow } from "../attention/brute_force.ts";
import { compareByHand, type LayerRows } from "./attention_by_hand.ts";
import { onBackends, someIds } from "./tiny_model.ts";

/** Sums of f32 against float64. */
const TOLERANCE = 1e-5;
const TOKENS = 200;
const CHUNK = 150;
const IDS = someIds(TOKENS);

/** Queries, keys and values of a layer after a dense prefill of all tokens. */
async function rowsOf(session: Session, layer: number): Promise<LayerRows> {
  let rows: LayerRows | undefined;
  session.hooks.add({ at: "qkv", layers: [layer] }, (state) => {
    rows ??= { q: state.read("q"), k: state.read("k"), v: state.read("v") };
  });
  // The last token is held back: one more makes it part of the pass.
  await session.prefill(Int32Array.of(...IDS, 0));
  return rows!;
}

/** A trial of a method in each layer, and what it planned. */
async function trials(session: Session, method: Method) {
  const found: { trial: HeadTrial[]; plans: (readonly HeadPlan[])[] }[] = [];
  for await (const probe of session.probe(IDS)) {
    const plans: (readonly HeadPlan[])[] = [];
    const trial = await probe.trial(async (context) => {
      plans.push(await method.planPrefill(context));
      return plans.at(-1)!;
    });
    found.push({ trial, plans });
  }
  return found;
}

/** Whether the executables of chunks of `CHUNK` rows hold a key, and what area they compute. */
function lowered(plans: readonly HeadPlan[]) {
  const chunks = plans.map((plan, chunk) => {
    const [qStart, end] = [chunk * CHUNK, Math.min((chunk + 1) * CHUNK, TOKENS)];
    const tiles = lower(plan, qStart, end - qStart, end);
    const rows = Array.from({ length: end - qStart }, (_, r) => keysOfRow(tiles, qStart, r, end));
    return { rows, area: 64 * (tiles.tileK * tiles.keyStart.length + tiles.columns.length) };
  });
  return {
    sees: (i: number, j: number) => chunks[Math.floor(i / CHUNK)]!.rows[i % CHUNK]![j]! > 0,
    area: chunks.reduce((sum, { area }) => sum + area, 0),
  };
}

const sparse: [name: string, method: Method][] = [
  ["aShape", methods.aShape({ sink: 3, window: 20 })],
  ["verticalSlash", methods.verticalSlash({ vertical: 35, slash: 50 })],
  ["blockSparse", methods.blockSparse({ block: 16, topK: 3 })],
  ["slidingWindow", methods.slidingWindow({ window: 1 })],
];

for (const [name, method] of sparse) {
  onBackends(`probe() scores ${name} as the softmax written out does`, "llama", async (model) => {
    const found = await trials(model.session({ chunkTokens: CHUNK }), method);
    assertEquals(found.length, model.config.layers);
    for (const [layer, { trial, plans }] of found.entries()) {
      const rows = await rowsOf(model.session(), layer);
      const dense = lowered(plans.map(() => ({ kind: "dense" })));
      for (const [head, { mass, error, tileShare }] of trial.entries()) {
        const { sees, area } = lowered(plans.map((chunk) => chunk[head]!));
        const wanted = compareByHand(rows, model.config, head, sees);
        assertAlmostEquals(mass, wanted.mass, TOLERANCE);
        assertAlmostEquals(error, wanted.error, TOLERANCE);
        assertAlmostEquals(tileShare, area / dense.area, 1e-12);
      }
    }
  });
}

onBackends("probe() scores dense plans as dense", "llama", async (model) => {
  for (const { trial } of await trials(model.session({ chunkTokens: 64 }), methods.dense())) {
    for (const { mass, error, tileShare } of trial) {
      assertAlmostEquals(mass, 1, TOLERANCE);
      assertAlmostEquals(error, 0, TOLERANCE);
      assertEquals(tileShare, 1);
    }
  }
});

onBackends("probe() cuts plans to the layer's window", "qwen2_window", async (model) => {
  const session = model.session();
  const windows: (number | null)[] = [];
  const wide = methods.streaming({ sink: 0, window: 12 });
  for await (const probe of session.probe(IDS)) {
    windows.push(probe.window);
    const { tileShare, mass } = (await probe.trial(wide.planPrefill))[0]!;
    assertEquals(tileShare === 1, probe.window !== null);
    if (probe.window !== null) assertAlmostEquals(mass, 1, TOLERANCE);
  }
  assertEquals(windows, model.config.windows);
});

onBackends(
  "probe() stops at the layers asked for and leaves the session",
  "llama",
  async (model) => {
    const session = model.session();
    await session.prefill(IDS);
    const layers: number[] = [];
    for await (const probe of session.probe(IDS, { layers: [1] })) layers.push(probe.layer);
    assertEquals(layers, [1]);
    for await (const _ of session.probe(IDS, { layers: [] })) layers.push(-1);
    assertEquals(layers, [1]);
    assertEquals([...session.ids], [...IDS]);
    await session.step();
  },
);

onBackends("probe() refuses a text that does not fit", "llama", async (model) => {
  const session = model.session({ memoryBytes: 1000 });
  const walk = async () => {
    for await (const _ of session.probe(IDS) as AsyncIterable<LayerProbe>);
  };
  await assertRejects(walk, BudgetError, `a context of ${TOKENS} tokens`);
});
