import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { perplexity, type PerplexityOptions } from "../../lib/eval/perplexity.ts";
import { onBackends, someIds, type TinyModel } from "../engine/tiny_model.ts";

const IDS = someIds(200);
const OPTIONS: PerplexityOptions = {
  text: IDS,
  lengths: [200],
  methods: [methods.dense()],
  last: 60,
  chunkTokens: 64,
  kv: "f32",
};

const collect = (model: TinyModel, options: Partial<PerplexityOptions> = {}) =>
  Array.fromAsync(perplexity(model, { ...OPTIONS, ...options }));

/** Of a text that passes in one piece. */
async function inOneGo(model: TinyModel, tokens: number, last: number): Promise<number> {
  using session = model.session({ chunkTokens: 1000 });
  const { logProbs } = await session.score(IDS.subarray(0, tokens));
  const sum = logProbs.subarray(-last).reduce((sum, value) => sum + value, 0);
  return Math.exp(-sum / last);
}

onBackends("perplexity() is that of the last tokens' probabilities", "llama", async (model) => {
  const rows = await collect(model, { lengths: [200, 90] });
  assertEquals(rows.map(({ tokens, scoredTokens }) => [tokens, scoredTokens]), [[200, 60], [
    90,
    60,
  ]]);
  for (const { tokens, scoredTokens, perplexity, ...row } of rows) {
    assertAlmostEquals(perplexity, await inOneGo(model, tokens, scoredTokens), 1e-3);
    assertEquals(row, { method: "dense", methodOptions: "{}", ratio: 1 });
  }
  assertEquals(model.open.size, 0);
});

onBackends(
  "perplexity() scores half of a text, and at most 4096 tokens",
  "llama",
  async (model) => {
    const text = someIds(9000);
    const { last: _, ...rest } = OPTIONS;
    const scored = async (tokens: number) => {
      for await (const row of perplexity(model, { ...rest, text, lengths: [tokens] })) return row;
    };
    assertEquals((await scored(101))?.scoredTokens, 50);
    if (model.backend.name === "cpu") assertEquals((await scored(8200))?.scoredTokens, 4096);
  },
);

onBackends(
  "perplexity() plans by each method, and by its prefill plans only",
  "llama",
  async (model) => {
    const whole = methods.aShape({ sink: 0, window: 200 });
    const narrow = methods.aShape({ sink: 1, window: 8 });
    const chunks: [start: number, rows: number, promptEnd: number][] = [];
    const watched = {
      ...narrow,
      name: "watched",
      planPrefill: (context: Parameters<typeof narrow.planPrefill>[0]) => {
        if (context.layer === 0) chunks.push([context.qStart, context.qLen, context.promptEnd]);
        return narrow.planPrefill(context);
      },
    };
    const rows = await collect(model, { methods: [whole, narrow, watched] });
    assertEquals(rows.map(({ method }) => method), ["dense", "aShape", "aShape", "watched"]);
    assertEquals(JSON.parse(rows[2]!.methodOptions), { sink: 1, window: 8 });
    assertAlmostEquals(rows[1]!.perplexity, rows[0]!.perplexity, 1e-3);
    assertAlmostEquals(rows[1]!.ratio, 1, 1e-5);
    assert(Math.abs(rows[2]!.ratio - 1) > 1e-3);
    assertAlmostEquals(rows[2]!.ratio, rows[2]!.perplexity / rows[0]!.perplexity, 1e-12);
    assertEquals(rows[3]!.perplexity, rows[2]!.perplexity);
    assertEquals(chunks, [[0, 64, 200], [64, 64, 200], [128, 64, 200], [192, 7, 200]]);
  },
);

onBackends("perplexity() tells what is done and can be stopped", "llama", async (model) => {
  const done: [number, string][] = [];
  const two = { lengths: [101, 11], last: 5, chunkTokens: 50 };
  await collect(model, { ...two, onProgress: (share, what) => done.push([share, what]) });
  assertEquals(done.map(([, what]) => what), [
    "dense, 101 tokens",
    "dense, 101 tokens",
    "dense, 11 tokens",
  ]);
  assertEquals(done.map(([share]) => share), [50 / 110, 100 / 110, 1]);
  const stop = new AbortController();
  const stopped = collect(model, { signal: stop.signal, onProgress: () => stop.abort() });
  await assertRejects(() => stopped, CancelledError);
  assertEquals(model.open.size, 0);
});

onBackends("perplexity() refuses what makes no sense", "llama", async (model) => {
  const cases: [Partial<PerplexityOptions>, string][] = [
    [{ lengths: [201] }, "the text must have 201 tokens: current value is 200"],
    [{ lengths: [200, 1] }, "a length must be a whole number >= 2: current value is 1"],
    [{ lengths: [] }, "lengths must be at least one: current value is 0"],
    [{ methods: [] }, "methods must be at least one: current value is 0"],
    [{ chunkTokens: 0 }, "chunkTokens must be a whole number >= 1: current value is 0"],
    [
      { last: 200 },
      "last must be a whole number of 1 .. 199 for a length of 200: current value is 200",
    ],
    [{ last: 0 }, "last must be a whole number of 1 .. 199"],
    [
      { methods: [methods.retrieval()] },
      "each method must govern the prefill: current value is retrieval",
    ],
  ];
  for (const [options, message] of cases) {
    await assertRejects(() => collect(model, options), RangeError, message);
  }
});
