/** The parts of the benchmark of whole models that measure nothing. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { assertThrows } from "@std/assert";
import fc from "fast-check";
import { MODEL_MARKS, modelsSection, withTable } from "../../lib/bench/readme.ts";
import { remarks } from "../../lib/bench/report.ts";
import { parseResult, resultText, withModels } from "../../lib/bench/result.ts";
import { DEPTHS, filteredModels, modelCaseName } from "../../lib/bench/models/model_case.ts";
import { GENERATED, modelCases } from "../../lib/bench/models/model_case.ts";
import { ModelPace } from "../../lib/bench/models/model_pace.ts";
import { decodeWork, kvBytes, prefillWork } from "../../lib/bench/models/model_work.ts";
import { MODEL_COLUMNS, modelLegend, modelRemarks } from "../../lib/bench/models/models_report.ts";
import { table } from "../../lib/cli/table.ts";
import { DECODE_ROW, FILE, MODELS, PREFILL_ROW } from "./models_fixture.ts";
import { RESULT } from "./tiny.ts";
import { assertFormatted } from "./formatted.ts";

const OTHER = { ...FILE, name: "other-Q8_0" };

const CONFIG = {
  ...{ layers: 3, hidden: 8, heads: 4, kvHeads: 2, dim: 4, ffn: 24, vocab: 50 },
  windows: [null, 5, null],
};

/** Operations of passing rows `first ..` of a text through a model, product by product. */
function flopsOfRows(config: typeof CONFIG, first: number, end: number): number {
  const { hidden, heads, kvHeads, dim, ffn } = config;
  let flops = 0;
  for (let row = first; row < end; row++) {
    for (const window of config.windows) {
      flops += 2 * hidden * (heads + 2 * kvHeads) * dim + 2 * heads * dim * hidden;
      flops += 2 * 3 * hidden * ffn;
      for (let key = 0; key <= row; key++) {
        if (window === null || row - key < window) flops += heads * (2 * dim + 2 * dim);
      }
    }
  }
  return flops;
}

const head = 2 * CONFIG.vocab * CONFIG.hidden;

Deno.test("modelCases() has every model at 512, 2K, 8K and 32K tokens, the shortest first", () => {
  assertEquals(DEPTHS, [512, 2048, 8192, 32768]);
  assertEquals(modelCases([FILE, OTHER], [2048, 512]).map(modelCaseName), [
    "small-Q4_1 n=512",
    "small-Q4_1 n=2K",
    "other-Q8_0 n=512",
    "other-Q8_0 n=2K",
  ]);
});

Deno.test("filteredModels() keeps the cases in whose name all words occur", () => {
  const cases = modelCases([FILE, OTHER]);
  assertEquals(filteredModels(cases, "Q8 N=2k").map(modelCaseName), ["other-Q8_0 n=2K"]);
  assertEquals(filteredModels(cases, ""), cases);
});

Deno.test("prefillWork() counts the products of all rows and the logits of one", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), (tokens) => {
      const { flops } = prefillWork(CONFIG, tokens, 1000);
      assertEquals(flops, flopsOfRows(CONFIG, 0, tokens) + head);
    }),
    { seed: 1 },
  ));

Deno.test("decodeWork() counts the products of the middle row of those that are generated", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), (tokens) => {
      const last = tokens + GENERATED / 2 - 1;
      const { flops } = decodeWork(CONFIG, tokens, 1000);
      assertEquals(flops, flopsOfRows(CONFIG, last, last + 1) + head);
    }),
    { seed: 1 },
  ));

Deno.test("decodeWork() reads the matrices and the keys and values that a window leaves", () => {
  const { trafficBytes, workingSetBytes } = decodeWork(CONFIG, 100, 1000);
  assertEquals(trafficBytes, 1000 + (116 + 5 + 116) * 2 * 2 * 4 * 2);
  assertEquals(workingSetBytes, trafficBytes);
  assertEquals(prefillWork(CONFIG, 100, 1000).trafficBytes, 1000 + kvBytes(CONFIG, 100));
  assertEquals(kvBytes(CONFIG, 100), 100 * 3 * 2 * 2 * 4 * 2);
});

Deno.test("ModelPace wants more than it needs, less without a peer, and learns from slow texts", () => {
  const [alone, both] = [new ModelPace(false), new ModelPace(true)];
  assertGreater(both.leastMs(100, 1), alone.leastMs(100, 1));
  assertGreater(both.wantedMs(100, 1), both.leastMs(100, 1));
  const before = both.leastMs(10_000, 1);
  const none = { ours: [], peer: [] };
  both.learn(100, {
    prefill: { ours: [800], peer: [1600] },
    decode: none,
    gaps: [],
    failure: null,
  });
  assertGreater(both.leastMs(10_000, 1), before);
  assertGreater(both.leastMs(10_000, 1), 10_000 * (800 + 1600) / 100);
});

Deno.test("the table of models has speed, ceiling, llama.cpp's speed, the ratio and the same choices", () => {
  assertEquals(
    table(MODELS.rows, MODEL_COLUMNS),
    `
model       task        tok/s   median  spread         rate  share of its ceiling  llama.cpp tok/s  vs llama.cpp      same tokens
----------  ----------  -----  -------  ------  -----------  --------------------  ---------------  ------------  ---------------
small-Q4_1  prefill 2K   1024   2.00 s  \u00b16.3 %  200 GFLOP/s   54 % avx2 f32 peak               683         1.50x  31 of 33, 0.043
small-Q4_1  decode 32K     80  12.5 ms  \u00b14.0 %    20.0 GB/s   91 % read of 238 MB                -             -                -
`.trim(),
  );
});

Deno.test("modelLegend() says how often the rarest row was measured", () => {
  assertStringIncludes(modelLegend(MODELS.rows), "at least 3 repetitions");
  const once = { ...PREFILL_ROW, ms: { ...PREFILL_ROW.ms, count: 1 } };
  assertStringIncludes(modelLegend([once]), "at least 1 repetition;");
});

Deno.test("modelRemarks() tells texts longer than a model was made for, and choices that are apart, once each", () => {
  const apart = { ...PREFILL_ROW, agreement: { same: 20, of: 33, widestGap: 2.5 } };
  assertEquals(modelRemarks([PREFILL_ROW]), []);
  assertEquals(modelRemarks([DECODE_ROW, { ...DECODE_ROW, task: "prefill" }, apart]), [
    "small-Q4_1 was made for 8K tokens: what it says behind more is not looked at",
    "Not to be trusted: small-Q4_1 at 2K tokens does not choose what llama.cpp does: 20 of 33, 2.5",
  ]);
});

Deno.test("remarks() of a run over models tells why there is nothing of llama.cpp", () => {
  assertStringIncludes(
    remarks(MODELS).join("\n"),
    "llama.cpp, not measured: it fell over (1 of 2 rows)",
  );
});

Deno.test("a result with models is read as it was written, and one of before has none", async () => {
  const both = { ...RESULT, models: MODELS };
  assertEquals(await parseResult(resultText(both), "a.json"), both);
  const { models: _, ...before } = RESULT;
  assertEquals(await parseResult(JSON.stringify(before), "a.json"), RESULT);
  const wrong = { ...both, models: { ...MODELS, rows: [{ ...PREFILL_ROW, task: "sleep" }] } };
  await assertRejects(
    () => parseResult(JSON.stringify(wrong), "a.json"),
    TypeError,
    "as models.rows.0.task is not valid",
  );
});

Deno.test("withModels() keeps the kernels of an older result, and has none without it", async () => {
  assertEquals(withModels(RESULT, MODELS), { ...RESULT, models: MODELS });
  const alone = withModels(null, MODELS);
  assertEquals([alone.rows, alone.peers, alone.skipped], [[], [], []]);
  assertEquals(alone.models, MODELS);
  assertEquals(await parseResult(resultText(alone), "a.json"), alone);
});

Deno.test("withTable() writes both tables between their marks, and again in place of the first", () => {
  const text =
    `a\n<!-- bench:start --><!-- bench:end -->\n${MODEL_MARKS.start}old${MODEL_MARKS.end}b\n`;
  const result = { ...RESULT, models: MODELS };
  const once = withTable(text, result);
  assertStringIncludes(once, `${MODEL_MARKS.start}\n\n| model      | task       |`);
  assertStringIncludes(once, "by `deno task bench --models`: A CPU");
  assert(!once.includes("old"));
  assertEquals(withTable(once, result), once);
  assertThrows(
    () => withTable("<!-- bench:start --><!-- bench:end -->", result),
    TypeError,
    `${MODEL_MARKS.start} and ${MODEL_MARKS.end} must each stand there once`,
  );
});

Deno.test("modelsSection() is written as deno fmt writes it", async () => {
  await assertFormatted(modelsSection(MODELS));
});
