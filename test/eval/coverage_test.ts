import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { CancelledError } from "../../ffi/errors.ts";
import { lower } from "../../lib/attention/lower.ts";
import type { Method } from "../../lib/attention/method.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { tileArea } from "../../lib/attention/tile_area.ts";
import { coverage, type CoverageOptions } from "../../lib/eval/coverage.ts";
import { type CoverageRow, readCoverage, writeCoverage } from "../../lib/eval/coverage_row.ts";
import { planDifference } from "../../lib/eval/plan_difference.ts";
import { keysOfRow } from "../attention/brute_force.ts";
import { headPlans } from "../attention/plans_arbitrary.ts";
import { compareByHand, type LayerRows } from "../engine/attention_by_hand.ts";
import { onBackends, someIds, type TinyModel } from "../engine/tiny_model.ts";
import { inFolder } from "../in_folder.ts";

const TOKENS = 200;
const CHUNK = 150;
const IDS = someIds(TOKENS);
const CHUNKS = [[0, CHUNK], [CHUNK, TOKENS - CHUNK]] as const;

const OPTIONS: CoverageOptions = {
  texts: [{ name: "some ids", text: IDS }],
  methods: [methods.dense()],
  tokens: TOKENS,
  chunkTokens: CHUNK,
  kv: "f32",
};

const collect = (model: TinyModel, options: Partial<CoverageOptions> = {}) =>
  Array.fromAsync(coverage(model, { ...OPTIONS, ...options }));

/** Queries, keys and values of a layer after a dense prefill of all tokens. */
async function rowsOf(model: TinyModel, layer: number): Promise<LayerRows> {
  using session = model.session();
  let rows: LayerRows | undefined;
  session.hooks.add({ at: "qkv", layers: [layer] }, (state) => {
    rows ??= { q: state.read("q"), k: state.read("k"), v: state.read("v") };
  });
  // The last token is held back: one more makes it part of the pass.
  await session.prefill(Int32Array.of(...IDS, 0));
  return rows!;
}

/** The same plan for all heads, made anew for each chunk. */
function planned(plan: HeadPlan): Method {
  const governs = { governsPrefill: true, name: "planned", options: { kind: plan.kind } };
  return { ...methods.dense(), ...governs, planPrefill: ({ heads }) => heads.map(() => plan) };
}

function tilesOf(plan: HeadPlan) {
  return CHUNKS.map(([qStart, qLen]) => lower(plan, qStart, qLen, qStart + qLen));
}

function areaOf(plan: HeadPlan): number {
  return tilesOf(plan).reduce((sum, tiles) => sum + tileArea(tiles), 0);
}

onBackends("coverage() equals sums written out", "llama", async (model) => {
  const plan: HeadPlan = { kind: "streaming", sink: 3, window: 20 };
  const rows = await collect(model, { methods: [planned(plan)] });
  assertEquals(rows.length, model.config.layers * model.config.heads);
  const tiles = tilesOf(plan);
  const held = CHUNKS.flatMap(([qStart, qLen], chunk) =>
    Array.from({ length: qLen }, (_, row) => keysOfRow(tiles[chunk]!, qStart, row, TOKENS))
  );
  for (const { layer, head, mass, error, tileShare, estimateShare, kinds, ...row } of rows) {
    const wanted = compareByHand(
      await rowsOf(model, layer),
      model.config,
      head,
      (i, j) => held[i]![j]! > 0,
    );
    assertAlmostEquals(mass, wanted.mass, 1e-5);
    assertAlmostEquals(error, wanted.error, 1e-5);
    assertAlmostEquals(tileShare, areaOf(plan) / areaOf({ kind: "dense" }), 1e-12);
    assertEquals([estimateShare, kinds], [0, "streaming"]);
    assertEquals([row.text, row.tokens, row.chunkTokens], ["some ids", TOKENS, CHUNK]);
    assertEquals([row.method, row.methodOptions], ["planned", '{"kind":"streaming"}']);
    assertEquals([row.claim, row.claimed], [null, null]);
    assert(row.denseMs > 0 && row.attendMs > 0 && row.planMs >= 0);
    assertAlmostEquals(row.predictedMs, tileShare * row.denseMs, 1e-9);
  }
});

onBackends("coverage() counts what estimates compute", "llama", async (model) => {
  const [row] = await collect(model, {
    methods: [methods.verticalSlash({ vertical: 30, slash: 50, lastQueries: 10 })],
    layers: [1],
  });
  // Ten rows at the end of each chunk, and the keys up to each of them.
  const pairs = CHUNKS.reduce((sum, [qStart, qLen]) => sum + 10 * (qStart + qLen) - 45, 0);
  assertAlmostEquals(row!.estimateShare, pairs / areaOf({ kind: "dense" }), 1e-12);
  assertEquals(row!.layer, 1);
  const shares = row!.tileShare + row!.estimateShare;
  assertAlmostEquals(row!.predictedMs, shares * row!.denseMs, 1e-9);
});

onBackends("coverage() shows what adaptive() says of itself", "llama", async (model) => {
  const rows = await collect(model, { methods: [methods.adaptive(), methods.dense()] });
  for (const { method, claim, claimed, mass, kinds } of rows) {
    const wanted = method === "adaptive" ? ["certified", 1] : [null, null];
    assertEquals([claim, claimed, kinds], [...wanted, "dense"]);
    assertAlmostEquals(mass, 1, 1e-5);
  }
});

onBackends("coverage() tells what is done and can be stopped", "llama", async (model) => {
  const done: [number, string][] = [];
  const texts = ["a", "b"].map((name) => ({ name, text: IDS }));
  const rows = await collect(model, {
    texts,
    onProgress: (share, what) => done.push([share, what]),
  });
  assertEquals(done, [[0.25, "a, layer 0"], [0.5, "a, layer 1"], [0.75, "b, layer 0"], [
    1,
    "b, layer 1",
  ]]);
  assertEquals(rows.at(-1)!.text, "b");
  const stop = new AbortController();
  const stopped = collect(model, { signal: stop.signal, onProgress: () => stop.abort() });
  await assertRejects(() => stopped, CancelledError);
  assertEquals(model.open.size, 0);
});

onBackends("coverage() refuses what makes no sense", "llama", async (model) => {
  const cases: [Partial<CoverageOptions>, string][] = [
    [{ tokens: 201 }, "some ids as it must have 201 tokens: current value is 200"],
    [{ tokens: 0 }, "tokens must be a whole number >= 1: current value is 0"],
    [{ chunkTokens: 1.5 }, "chunkTokens must be a whole number >= 1: current value is 1.5"],
    [{ texts: [] }, "texts must be at least one: current value is 0"],
    [{ methods: [] }, "methods must be at least one: current value is 0"],
  ];
  for (const [options, message] of cases) {
    await assertRejects(() => collect(model, options), RangeError, message);
  }
});

const row: CoverageRow = {
  ...{ text: "ä", tokens: 200, chunkTokens: 150, method: "m", methodOptions: "{}", layer: 1 },
  ...{ head: 2, kinds: "dense,streaming", mass: 0.5, error: 0.25, tileShare: 0.125 },
  ...{ estimateShare: 0.1, denseMs: 3, attendMs: 2, planMs: 1, predictedMs: 0.675 },
  ...{ claimed: 0.75, claim: "estimated" },
};

Deno.test("readCoverage() reads what writeCoverage() has added, and nothing else", () =>
  inFolder(async (folder) => {
    const other = { ...row, claimed: null, claim: null };
    const path = `${folder}/coverage.arrow`;
    await writeCoverage(path, [row]);
    await writeCoverage(path, [other]);
    assertEquals(await readCoverage(path), [row, other]);
    await Deno.writeTextFile(`${folder}/text`, "no table");
    await assertRejects(() => readCoverage(`${folder}/text`), TypeError, "no Arrow stream");
    await assertRejects(() => writeCoverage(`${folder}/text`, [row]), TypeError);
    assertEquals(await Deno.readTextFile(`${folder}/text`), "no table");
  }));

Deno.test("planDifference() counts the pairs that executables hold", () => {
  const property = fc.property(
    headPlans,
    headPlans,
    fc.nat(90),
    fc.integer({ min: 1, max: 90 }),
    (first, second, qStart, qLen) => {
      const [a, b] = [first, second].map((plan) => lower(plan, qStart, qLen, qStart + qLen));
      let [onlyFirst, onlySecond, both, pairs] = [0, 0, 0, 0];
      for (let r = 0; r < qLen; r++) {
        const [x, y] = [a!, b!].map((tiles) => keysOfRow(tiles, qStart, r, qStart + qLen));
        for (let j = 0; j <= qStart + r; j++, pairs++) {
          if (x![j]! && y![j]!) both++;
          else if (x![j]!) onlyFirst++;
          else if (y![j]!) onlySecond++;
        }
      }
      const found = planDifference(first, second, { qStart, qLen });
      assertAlmostEquals(found.onlyFirst, onlyFirst / pairs, 1e-12);
      assertAlmostEquals(found.onlySecond, onlySecond / pairs, 1e-12);
      assertAlmostEquals(found.both, both / pairs, 1e-12);
    },
  );
  fc.assert(property, { numRuns: 60, seed: 1 });
});
