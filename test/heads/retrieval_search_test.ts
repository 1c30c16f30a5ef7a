import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CancelledError, ModelFormatError } from "../../ffi/errors.ts";
import {
  type HeadFile,
  type QueryHeadEntry,
  readHeadFile,
  writeHeadFile,
} from "../../lib/attention/head_file.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { RetrievalOptions } from "../../lib/attention/retrieval.ts";
import type { LayerProbe } from "../../lib/engine/head_probe.ts";
import type { HeadSearchProgress, SearchedModel } from "../../lib/heads/layer_search.ts";
import { type RetrievalSearchOptions, searchRetrieval } from "../../lib/heads/retrieval_search.ts";
import { MADE_UP, NEEDED, withMadeUpProbe } from "../engine/made_up_heads.ts";
import { onBackends, openOr, someIds, type TinyModel } from "../engine/tiny_model.ts";
import { inFolder } from "../in_folder.ts";

const TOKENS = 90;
const STATIC = { sink: 3, window: 8 };

const OPTIONS: RetrievalSearchOptions = {
  texts: [
    { name: "first", text: someIds(TOKENS) },
    { name: "second", text: someIds(TOKENS + 5, 3) },
  ],
  ...{ tokens: TOKENS, modelName: "tiny", rows: 8, topK: 5, ...STATIC },
  index: { kind: "flat4" },
  kv: "f32",
  date: "2026-01-02",
};

const headsOf = ({ layers }: HeadFile) => layers.flatMap(({ queryHeads }) => queryHeads);
const modesOf = (file: HeadFile) => headsOf(file).map(({ retrieval }) => retrieval);

/** A model of one layer, whose probe is given. */
function modelOf(probe: LayerProbe): SearchedModel {
  const { heads, dim, scale } = MADE_UP;
  const config = { layers: 1, heads, kvHeads: heads, dim, scale, windows: [null] };
  const session = () => ({
    probe: async function* () {
      yield await Promise.resolve(probe);
    },
    close: () => {},
  });
  return { config, tokenizer: { bosId: null }, session } as unknown as SearchedModel;
}

Deno.test("searchRetrieval() gives each head the mode that leaves most out and is near enough", async () => {
  const backend = await openOr("cpu") ?? await openOr("reference");
  const { tokens, how: { tailKeys: _, ...how } } = MADE_UP;
  const texts = [{ name: "made up", text: someIds(tokens) }];
  const found = await withMadeUpProbe(
    backend!,
    (probe) => searchRetrieval(modelOf(probe), { texts, tokens, modelName: "made up", ...how }),
  );
  assertEquals(modesOf(found), [...NEEDED]);
  const [streaming, tail, index, dense] = headsOf(found).map(({ scores }) => scores);
  const share = (keys: number) => keys / tokens;
  assertEquals(streaming!.attendedShare, share(36));
  assertEquals(streaming!.scannedShare, 0);
  assertEquals(tail!.attendedShare, share(36));
  assert(tail!.scannedShare! > 0 && tail!.scannedShare! < index!.scannedShare!);
  assertEquals(index!.attendedShare, share(44));
  assertEquals([dense!.attendedShare, dense!.scannedShare], [1, 0]);
});

/** The middle one of how far a mode is off for heads in the mean. */
function middle(file: HeadFile, name: string): number {
  const errors = headsOf(file).map(({ scores }) => scores[name]!).sort((a, b) => a - b);
  return errors[errors.length >> 1]!;
}

/** Limits by which some heads are near enough as streaming ones. */
async function mixed(
  model: TinyModel,
): Promise<{ limits: RetrievalSearchOptions; file: HeadFile }> {
  const strict = await searchRetrieval(model, { ...OPTIONS, error: 0, worst: 0 });
  assert(modesOf(strict).every((mode) => mode === "dense"));
  const limits = { ...OPTIONS, error: middle(strict, "streamingError"), worst: 10 };
  return { limits, file: await searchRetrieval(model, limits) };
}

onBackends(
  "searchRetrieval() makes a head file that retrieval() follows",
  "llama",
  async (model) => {
    await inFolder(async (folder) => {
      const { file } = await mixed(model);
      await writeHeadFile(`${folder}/heads.json`, file);
      const heads = await readHeadFile(`${folder}/heads.json`);
      assertEquals(heads, file);
      const attention = methods.retrieval({ index: "flat4", tail: "clusters", heads });
      const { sink, window, topK } = attention.options;
      assertEquals({ sink, window, topK }, { ...STATIC, topK: 5 });
      const session = model.session({ attention });
      await session.prefill(someIds(TOKENS));
      const step = await session.step();
      const kinds = new Set<string>();
      heads.layers.forEach(({ queryHeads }, layer) =>
        queryHeads.forEach(({ retrieval }, head) => {
          kinds.add(retrieval!);
          const { indices } = step.retrieval(layer, head);
          const plan = step.plan(layer).heads[head]!;
          const asks = retrieval === "index" || retrieval === "tail";
          assertEquals(plan.kind, asks ? "staticPlusRetrieved" : retrieval);
          assertEquals(indices.length, retrieval === "index" ? 5 : 0);
        })
      );
      assert(kinds.has("streaming") && kinds.size > 1, [...kinds].join());
    });
  },
);

Deno.test("retrieval() refuses other settings than the modes of its head file were found with", () => {
  const source = { version: 1, date: null, criterion: null, tokens: null, texts: [] };
  const head = {
    type: null,
    scores: {},
    pattern: null,
    candidates: [],
    retrieval: "index",
  } as const;
  const fileOf = (by: string, settings: Record<string, number | string>): HeadFile => ({
    model: { name: "small", layers: 1, heads: 1, kvHeads: 1 },
    obtained: [{ ...source, by: "pattern search", settings: { topK: 7 } }, {
      ...source,
      by,
      settings,
    }],
    layers: [{ queryHeads: [head], kvHeads: [] }],
  });
  const heads = fileOf("retrieval search", { sink: 3, window: 8, topK: 5 });
  for (const [name, value] of Object.entries({ sink: 4, window: 9, topK: 6 })) {
    assertThrows(
      () => methods.retrieval({ heads, [name]: value }),
      RangeError,
      `${name} must be ${
        value - 1
      }, with which the modes of its head file were found: current value is ${value}`,
    );
  }
  const optionsOf = (options: RetrievalOptions) => {
    const { sink, window, topK } = methods.retrieval(options).options;
    return [sink, window, topK];
  };
  assertEquals(optionsOf({ heads, window: 8 }), [3, 8, 5]);
  assertEquals(optionsOf({ heads: [["index"]], window: 9 }), [128, 9, 100]);
  const others = [fileOf("retrieval search", { topK: "5" }), fileOf("somebody", { topK: 5 })];
  for (const other of others) assertEquals(optionsOf({ heads: other, sink: 2 }), [2, 512, 100]);
});

onBackends("searchRetrieval() holds to its limits on every text", "llama", async (model) => {
  const { limits, file } = await mixed(model);
  const each = await Promise.all(
    limits.texts.map((text) => searchRetrieval(model, { ...limits, texts: [text] })),
  );
  const names = ["streamingError", "streamingWorst", "tailError", "tailWorst", "indexError"];
  headsOf(file).forEach(({ scores, retrieval }: QueryHeadEntry, head) => {
    for (const name of names) {
      const most = Math.max(...each.map((one) => headsOf(one)[head]!.scores[name]!));
      assertEquals(scores[name], most);
    }
    assert(scores.streamingWorst! >= scores.streamingError!);
    assertEquals(retrieval === "streaming", scores.streamingError! <= limits.error!);
  });
  const median = await searchRetrieval(model, { ...limits, percentile: 50 });
  assert(middle(median, "streamingWorst") < middle(file, "streamingWorst"));
  const even = { ...limits, worst: middle(file, "streamingWorst") / 2 };
  const streaming = (found: HeadFile) => modesOf(found).filter((mode) => mode === "streaming");
  assert(streaming(await searchRetrieval(model, even)).length < streaming(file).length);
});

onBackends("searchRetrieval() reads the end of a text", "llama", async (model) => {
  const ids = someIds(TOKENS + 40, 9);
  const ofText = async (
    text: Int32Array,
  ) => (await searchRetrieval(model, { ...OPTIONS, texts: [{ name: "one", text }] }));
  const whole = await ofText(ids);
  assertEquals(whole, await ofText(ids.slice(40)));
  const begun = { ...model, tokenizer: { ...model.tokenizer, bosId: ids[0]! } };
  const texts = [{ name: "one", text: ids }];
  const marked = await searchRetrieval(begun, { ...OPTIONS, texts });
  assertEquals(marked, await ofText(Int32Array.of(ids[0]!, ...ids.slice(41))));
});

onBackends(
  "searchRetrieval() that was stopped goes on to the same file",
  "llama",
  async (model) => {
    const whole = await searchRetrieval(model, OPTIONS);
    await inFolder(async (folder) => {
      const progressFile = `${folder}/heads.json.part`;
      const stop = new AbortController();
      const onProgress = ({ done }: HeadSearchProgress) => {
        if (done === 3) stop.abort();
      };
      const { signal } = stop;
      const stopped = () =>
        searchRetrieval(model, { ...OPTIONS, progressFile, onProgress, signal });
      await assertRejects(stopped, CancelledError);
      const done: number[] = [];
      const goOn = (progress: HeadSearchProgress) => void done.push(progress.done);
      const found = await searchRetrieval(model, { ...OPTIONS, progressFile, onProgress: goOn });
      assertEquals(found, whole);
      assertEquals(done, [4]);
      const other = () => searchRetrieval(model, { ...OPTIONS, progressFile, rows: 9 });
      await assertRejects(other, ModelFormatError, "rows of the search must be 9");
    });
  },
);

onBackends(
  "searchRetrieval() leaves layers with a window what these show",
  "qwen2_window",
  async (model) => {
    const { windows, heads } = model.config;
    const searched = { ...OPTIONS, error: 0, worst: 0 };
    for (const window of [8, 70]) {
      const file = await searchRetrieval(model, { ...searched, window });
      const wanted = windows.map((shown) => shown !== null && shown <= window);
      assert(wanted.includes(true) === (window === 70));
      const modes = file.layers.map(({ queryHeads }) =>
        queryHeads.map(({ retrieval }) => retrieval === "streaming")
      );
      assertEquals(
        modes,
        wanted.map((streaming) => Array.from({ length: heads }, () => streaming)),
      );
    }
  },
);

onBackends("searchRetrieval() refuses options out of range", "llama", async (model) => {
  const wrong: [Partial<RetrievalSearchOptions>, message: string][] = [
    [{ texts: [] }, "texts must be at least one"],
    [{ tokens: TOKENS + 1 }, `first must have ${TOKENS + 1} tokens: current value is ${TOKENS}`],
    [{ tokens: 18 }, "tokens must be >= sink + window + rows, 19"],
    [{ rows: 0 }, "rows must be a whole number >= 1"],
    [{ topK: 1.5 }, "topK must be a whole number >= 1"],
    [{ sink: -1 }, "sink must be a whole number >= 0"],
    [{ error: NaN }, "error must be >= 0"],
    [{ worst: -1 }, "worst must be >= 0"],
    [{ percentile: 0 }, "percentile must be > 0 and <= 100"],
  ];
  for (const [options, message] of wrong) {
    const search = () => searchRetrieval(model, { ...OPTIONS, ...options });
    await assertRejects(search, RangeError, message);
  }
});
