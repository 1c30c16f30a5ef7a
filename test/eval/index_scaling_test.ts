import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Model } from "../../lib/engine/model.ts";
import { appendTrial } from "../../lib/eval/index_appending.ts";
import { readIndexScale, writeIndexScale } from "../../lib/eval/index_scale_file.ts";
import {
  type IndexScaleRow,
  indexScaling,
  type IndexScalingOptions,
  leastScanned,
  meanTrials,
} from "../../lib/eval/index_scaling.ts";
import { recordedKeySet } from "../../lib/eval/key_set.ts";
import { type KeySetTrial, type TriedIndex, tryKeySet } from "../../lib/eval/key_set_trial.ts";
import { powerLaw } from "../../lib/eval/power_law.ts";
import { recordHeads } from "../../lib/eval/recorded_heads.ts";
import { ropeFrequencies } from "../../lib/model/rope.ts";
import { compilerOrNull } from "../compiler_or_null.ts";
import { inFolder } from "../in_folder.ts";
import { Random } from "../random.ts";
import { randomHead } from "./recorded_head.ts";

const ignore = await compilerOrNull() === null;
const SET = recordedKeySet(randomHead(1040), { sink: 8, window: 32, rows: 16 });
const COUNT = SET.keys.length / SET.dim;

function trialsOf(indexes: Record<string, TriedIndex>): Promise<KeySetTrial[]> {
  const efforts = { widths: [20, 60, 1000], shares: [0.1, 1] };
  return Array.fromAsync(tryKeySet(SET, { indexes, ...efforts, topK: 20 }));
}

Deno.test("powerLaw() finds the exponent that points were made by", () => {
  const xs = [8, 16, 32, 64, 128].map((k) => 1024 * k);
  const { exponent, factor, error } = powerLaw(xs.map((x) => [x, 3 * x ** 0.4]));
  assertAlmostEquals(exponent, 0.4, 1e-12);
  assertAlmostEquals(factor, 3, 1e-10);
  assertAlmostEquals(error!, 0, 1e-10);
});

Deno.test("powerLaw() tells an error that is as large as what was added", () => {
  const random = new Random(3);
  const errors = Array.from({ length: 400 }, () => {
    const points = [1, 2, 3, 4, 5, 6].map((i) =>
      [2 ** i, Math.exp(0.7 * i * Math.LN2 + 0.1 * random.normal())] as const
    );
    const { exponent, error } = powerLaw(points);
    return [(exponent - 0.7) ** 2, error! ** 2] as const;
  });
  const rms = (i: 0 | 1) => Math.sqrt(errors.reduce((sum, pair) => sum + pair[i], 0) / 400);
  assertAlmostEquals(rms(0) / rms(1), 1, 0.1);
});

Deno.test("powerLaw() refuses points that have no logarithms or one x", () => {
  assertEquals(powerLaw([[1, 1], [2, 4]]).error, null);
  assertThrows(() => powerLaw([[1, 1], [2, 0]]), RangeError, "current value is 0");
  assertThrows(() => powerLaw([[1, 1], [1, 2]]), RangeError, "two x must differ");
  assertThrows(() => powerLaw([]), RangeError, "current value is 0 points");
});

Deno.test("leastScanned() is where the last of its goals is reached, on a straight line", () => {
  const point = (scanned: number, recall: number, foundShare: number) => ({
    ...{ scanned, recall, foundShare, foundShare5: 0, massShare: 1, massShare5: 1 },
  });
  const points = [point(400, 1, 0.98), point(100, 0.8, 0.94), point(200, 0.9, 0.96)];
  assertAlmostEquals(leastScanned(points, { recall: 0.95 })!, 300, 1e-9);
  assertAlmostEquals(leastScanned(points, { recall: 0.85, foundShare: 0.95 })!, 150, 1e-9);
  assertEquals(leastScanned(points, { recall: 0.7 }), 100);
  assertEquals(leastScanned(points, { recall: 0.7, foundShare: 0.99 }), null);
});

Deno.test({
  name: "tryKeySet() finds all where all keys are scored, and less for less",
  ignore,
  async fn() {
    const trials = await trialsOf({
      exact: { kind: "exact" },
      clusters: { kind: "clusters" },
      narrow: { kind: "graph", degree: 8 },
    });
    assertEquals(trials.length, (1 + 2 + 3) * 2);
    const of = (name: string, effort: string) =>
      meanTrials(trials).find((trial) => trial.parameter === name && trial.effort === effort)!;
    for (const whole of [of("exact", ""), of("clusters", "share=1"), of("narrow", "width=1000")]) {
      assertEquals([whole.recall, whole.massShare, whole.foundShare5], [1, 1, 1], whole.index);
    }
    assertEquals(of("exact", "").scanned, COUNT);
    const [few, more] = [of("narrow", "width=20"), of("narrow", "width=60")];
    assert(few.scanned < more.scanned && more.scanned < COUNT);
    assert(few.recall < more.recall && few.recall > 0.5);
    assert(few.foundShare < few.massShare && few.massShare < 1, "the static part is always kept");
  },
});

Deno.test({
  name: "meanTrials() is the mean over heads at each effort",
  ignore,
  async fn() {
    const trials = await trialsOf({ some: { kind: "clusters" } });
    const [few] = meanTrials(trials);
    const [a, b] = trials.filter(({ effort }) => effort === "share=0.1");
    assertAlmostEquals(few!.recall, (a!.recall + b!.recall) / 2, 1e-12);
    assertAlmostEquals(few!.scanned, (a!.scanned + b!.scanned) / 2, 1e-9);
  },
});

Deno.test({
  name: "appendTrial() compares a grown index with a fresh one",
  ignore,
  async fn() {
    const options = { appended: 300, batch: 77, topK: 20 };
    const exact = await appendTrial(SET, { index: { kind: "exact" }, ...options });
    assertEquals([exact.keys, exact.recall, exact.freshRecall], [COUNT, 1, 1]);
    assertEquals([exact.scanned, exact.freshScanned], [COUNT, COUNT]);
    const graph = await appendTrial(SET, {
      index: { kind: "graph", width: 30, degree: 6 },
      ...options,
    });
    assert(graph.recall > 0.7 && graph.recall < 1, `${graph.recall}`);
    assert(graph.recall !== graph.freshRecall && graph.appendUs > 0);
    const all = { index: { kind: "exact" }, appended: COUNT } as const;
    await assertRejects(() => appendTrial(SET, all), RangeError, `of 1 to ${COUNT - 1}`);
  },
});

const IDS = Int32Array.from({ length: 700 }, (_, x) => 2 + (x * 7919 + (x >> 3) * 31) % 2000);

function optionsOf(model: Model): IndexScalingOptions {
  return {
    text: { name: "numbers", ids: IDS },
    heads: [[2, 1]],
    indexes: { all: { kind: "exact" } },
    counts: [100, 300],
    frequencies: ropeFrequencies(model.config.rope, 700).inverse,
    rows: 4,
    topK: 10,
  };
}

Deno.test({
  name: "indexScaling() tries the recorded set and those drawn, and rows are read as written",
  ignore,
  async fn() {
    const model = await Model.load();
    const rows: IndexScaleRow[] = (await Array.fromAsync(indexScaling(model, optionsOf(model))))
      .flat();
    const wrong = { ...optionsOf(model), heads: [[2, 9]] as [number, number][] };
    await assertRejects(() => Array.fromAsync(indexScaling(model, wrong)), RangeError, "2:9");
    model.close();
    const sets = rows.map(({ source, keys, head }) => `${source} ${keys} ${head}`);
    const expected = ["recorded 60", "synthetic 100", "synthetic 300"];
    assertEquals(sets, expected.flatMap((set) => [`${set} 0`, `${set} 1`]));
    assert(rows.every(({ recall, parameter }) => recall === 1 && parameter === "all"));
    await inFolder(async (folder) => {
      await writeIndexScale(`${folder}/rows.arrow`, rows);
      assertEquals(await readIndexScale(`${folder}/rows.arrow`), rows);
    });
  },
});

Deno.test({
  name: "recordHeads() keeps what a hook sees, whatever the chunks",
  ignore,
  async fn() {
    const model = await Model.load();
    const { heads, kvHeads, dim, rope } = model.config;
    const frequencies = ropeFrequencies(rope, 100).inverse;
    const seen = new Map<string, Float32Array>();
    const session = model.session({ chunkTokens: 100 });
    session.hooks.add({ at: "qkv", layers: [1] }, (state) => {
      for (const name of ["q", "k"] as const) seen.set(name, state.read(name));
    });
    await session.prefill(IDS.subarray(0, 100));
    session.close();
    const how = { layers: [1], frequencies, chunkTokens: 32 };
    const recorded = await recordHeads(model, IDS.subarray(0, 100), how);
    model.close();
    assertEquals(recorded.length, kvHeads);
    const [token, kvHead, group] = [71, 1, heads / kvHeads];
    const expected = (name: string, head: number, count: number) =>
      seen.get(name)!.subarray((token * count + head) * dim, (token * count + head + 1) * dim);
    const rowOf = (rows: Float32Array) => rows.subarray(token * dim, (token + 1) * dim);
    const near = (a: Float32Array, b: Float32Array) =>
      a.forEach((x, i) => assertAlmostEquals(x, b[i]!, 2e-2 * (1 + Math.abs(b[i]!))));
    near(rowOf(recorded[kvHead]!.keys), expected("k", kvHead, kvHeads));
    near(rowOf(recorded[kvHead]!.queries[1]!), expected("q", kvHead * group + 1, heads));
  },
});
