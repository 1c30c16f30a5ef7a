import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { CancelledError, ModelFormatError } from "../../ffi/errors.ts";
import { type HeadFile, readHeadFile, writeHeadFile } from "../../lib/attention/head_file.ts";
import type { HeadPattern } from "../../lib/attention/head_pattern.ts";
import { lower } from "../../lib/attention/lower.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import type { HeadSearchProgress } from "../../lib/heads/layer_search.ts";
import { type PatternSearchOptions, searchPatterns } from "../../lib/heads/pattern_search.ts";
import { keysOfRow } from "../attention/brute_force.ts";
import { compareByHand, type LayerRows } from "../engine/attention_by_hand.ts";
import { openOr, someIds, tiny, type TinyModel } from "../engine/tiny_model.ts";
import { inFolder } from "../in_folder.ts";

const TOKENS = 900;
const CHUNK = 500;

const OPTIONS: PatternSearchOptions = {
  texts: [
    { name: "first", text: someIds(TOKENS) },
    { name: "second", text: someIds(TOKENS + 5, 3) },
  ],
  tokens: TOKENS,
  modelName: "tiny",
  tileShare: 0.6,
  chunkTokens: CHUNK,
  kv: "f32",
  date: "2026-01-02",
};

/** A test on the native backend, whose speed it needs. */
function onCpu(name: string, checkpoint: string, body: (model: TinyModel) => Promise<void>): void {
  Deno.test(name, async () => {
    const backend = await openOr("cpu");
    if (!backend) return void console.log(`skipped: no cpu backend here, ${name}`);
    const model = await tiny(checkpoint, backend);
    try {
      await body(model);
    } finally {
      model.close();
    }
  });
}

/** Tiles that all row tiles of a text compute, a column being a 64th of one, where attention is dense. */
function denseTiles(): number {
  let tiles = 0;
  for (let start = 0; start < TOKENS; start += CHUNK) {
    const end = Math.min(start + CHUNK, TOKENS);
    for (let first = start; first < end; first += 64) {
      tiles += Math.ceil(Math.min(first + 64, end) / 64);
    }
  }
  return tiles;
}

onCpu("searchPatterns() gives all candidates the same tile area", "llama", async (model) => {
  const { layers } = await searchPatterns(model, { ...OPTIONS, texts: OPTIONS.texts.slice(1) });
  const rowTiles = Math.ceil(CHUNK / 64) + Math.ceil((TOKENS - CHUNK) / 64);
  let kinds = 0;
  for (const { candidates } of layers.flatMap(({ queryHeads }) => queryHeads)) {
    kinds += new Set(candidates.map(({ pattern }) => pattern.kind)).size;
    for (const { scores } of candidates) {
      const tilesLeft = (0.6 - scores.tileShare!) * denseTiles();
      assert(tilesLeft >= 0 && tilesLeft < rowTiles, `${tilesLeft} of ${rowTiles} tiles left`);
    }
  }
  assertEquals(kinds, 3 * model.config.layers * model.config.heads);
});

/** What a pattern plans in the first layer, and its queries, keys and values. */
async function firstLayer(model: TinyModel, pattern: HeadPattern, ids: Int32Array) {
  const layer = Array.from({ length: model.config.heads }, () => pattern);
  const attention = methods.minference({ heads: model.config.windows.map(() => layer) });
  const planning = model.session({ attention, chunkTokens: CHUNK });
  const plans: (readonly HeadPlan[])[] = [];
  planning.hooks.add({ at: "plan", layers: [0] }, (state) => {
    plans.push(state.plans[0]!.heads);
  });
  const reading = model.session({ chunkTokens: TOKENS });
  let rows: LayerRows | undefined;
  reading.hooks.add({ at: "qkv", layers: [0] }, (state) => {
    rows ??= { q: state.read("q"), k: state.read("k"), v: state.read("v") };
  });
  // The last token is held back: one more makes it part of the pass.
  for (const session of [planning, reading]) await session.prefill(Int32Array.of(...ids, 0));
  return { plans, rows: rows! };
}

onCpu(
  "searchPatterns() scores candidates as the softmax written out does",
  "llama",
  async (model) => {
    const ids = someIds(TOKENS);
    const options = { ...OPTIONS, texts: OPTIONS.texts.slice(0, 1) };
    const { layers } = await searchPatterns(model, options);
    const head = 2;
    for (const { pattern, scores } of layers[0]!.queryHeads[head]!.candidates) {
      const { plans, rows } = await firstLayer(model, pattern, ids);
      const held = plans.flatMap((chunk, c) => {
        const [start, end] = [c * CHUNK, Math.min((c + 1) * CHUNK, TOKENS)];
        const tiles = lower(chunk[head]!, start, end - start, end);
        return Array.from({ length: end - start }, (_, row) => keysOfRow(tiles, start, row, end));
      });
      const wanted = compareByHand(rows, model.config, head, (i, j) => held[i]![j]! > 0);
      assertAlmostEquals(scores.mass!, wanted.mass, 1e-5);
      assertAlmostEquals(scores.error!, wanted.error, 1e-5);
    }
  },
);

onCpu(
  "searchPatterns() takes the best by its criterion, of averages over texts",
  "llama",
  async (model) => {
    const both = await searchPatterns(model, OPTIONS);
    const one = async (text: number) =>
      await searchPatterns(model, { ...OPTIONS, texts: [OPTIONS.texts[text]!] });
    const [first, second] = [await one(0), await one(1)];
    const byError = await searchPatterns(model, { ...OPTIONS, criterion: "error" });
    both.layers.forEach(({ queryHeads }, layer) =>
      queryHeads.forEach((entry, head) => {
        const { candidates } = entry;
        const of = (file: HeadFile) => file.layers[layer]!.queryHeads[head]!;
        candidates.forEach(({ scores }, x) => {
          const [a, b] = [of(first).candidates[x]!, of(second).candidates[x]!];
          assertAlmostEquals(scores.mass!, (a.scores.mass! + b.scores.mass!) / 2);
        });
        const most = Math.max(...candidates.map(({ scores }) => scores.mass!));
        assertEquals(entry.scores.mass, most);
        const least = Math.min(...candidates.map(({ scores }) => scores.error!));
        assertEquals(of(byError).scores.error, least);
        assertEquals(entry.pattern, candidates.find(({ scores }) => scores.mass === most)!.pattern);
      })
    );
  },
);

onCpu("searchPatterns() makes a head file that minference() follows", "llama", async (model) => {
  await inFolder(async (folder) => {
    const heads = await searchPatterns(model, { ...OPTIONS, texts: OPTIONS.texts.slice(1) });
    await writeHeadFile(`${folder}/heads.json`, heads);
    const read = await readHeadFile(`${folder}/heads.json`);
    assertEquals(read, heads);
    const session = model.session({ attention: methods.minference({ heads: read }) });
    await session.prefill(someIds(TOKENS));
    await session.step();
  });
});

onCpu("searchPatterns() that was stopped goes on to the same file", "llama", async (model) => {
  const whole = await searchPatterns(model, OPTIONS);
  await inFolder(async (folder) => {
    const progressFile = `${folder}/heads.json.part`;
    for (const stopAfter of [1, 3]) {
      const stop = new AbortController();
      const onProgress = ({ done }: HeadSearchProgress) => {
        if (done === stopAfter) stop.abort();
      };
      const { signal } = stop;
      const stopped = () => searchPatterns(model, { ...OPTIONS, progressFile, onProgress, signal });
      await assertRejects(stopped, CancelledError);
      // As if it had been killed while it wrote.
      await Deno.writeTextFile(progressFile, '{"text":1,"lay', { append: true });
    }
    const done: number[] = [];
    const onProgress = (progress: HeadSearchProgress) => void done.push(progress.done);
    assertEquals(await searchPatterns(model, { ...OPTIONS, progressFile, onProgress }), whole);
    assertEquals(done, [4]);
    const closed = { ...model, session: () => assert(false) as never };
    assertEquals(await searchPatterns(closed, { ...OPTIONS, progressFile }), whole);
  });
});

onCpu(
  "searchPatterns() refuses the file of another search, and leaves it",
  "llama",
  async (model) => {
    await inFolder(async (folder) => {
      const progressFile = `${folder}/part`;
      await searchPatterns(model, { ...OPTIONS, progressFile });
      const before = await Deno.readTextFile(progressFile);
      const other = () => searchPatterns(model, { ...OPTIONS, progressFile, tileShare: 0.5 });
      await assertRejects(
        other,
        ModelFormatError,
        "tileShare of the search must be 0.5: current value is 0.6",
      );
      assertEquals(await Deno.readTextFile(progressFile), before);
      const lines = before.split("\n");
      await Deno.writeTextFile(progressFile, '{"a":1}\n');
      const foreign = () => searchPatterns(model, { ...OPTIONS, progressFile });
      await assertRejects(foreign, ModelFormatError, "must be what a pattern search writes");
      for (
        const [wrong, message] of [['{"text":0}', "layer is not valid"], ["{", "must be JSON"]]
      ) {
        await Deno.writeTextFile(progressFile, [lines[0], wrong, ...lines.slice(2)].join("\n"));
        const damaged = () => searchPatterns(model, { ...OPTIONS, progressFile });
        await assertRejects(damaged, ModelFormatError, message);
      }
    });
  },
);

onCpu("searchPatterns() leaves layers with a window dense", "qwen2_window", async (model) => {
  const { layers } = await searchPatterns(model, OPTIONS);
  const types = layers.map(({ queryHeads }) => queryHeads.every(({ type }) => type === "dense"));
  assertEquals(types, model.config.windows.map((window) => window !== null));
});

onCpu("searchPatterns() refuses options out of range", "llama", async (model) => {
  const wrong: [Partial<PatternSearchOptions>, message: string][] = [
    [{ texts: [] }, "texts must be at least one"],
    [{ tokens: 0 }, "tokens must be a whole number >= 1"],
    [{ tokens: TOKENS + 1 }, `first must have ${TOKENS + 1} tokens: current value is ${TOKENS}`],
    [{ tileShare: 0 }, "tileShare must be > 0"],
    [{ tileShare: 0.05 }, "tileShare must leave room for two tiles"],
    [{ criterion: "luck" as "mass" }, "criterion must be mass or error"],
    [{ chunkTokens: 0 }, "chunkTokens must be"],
  ];
  for (const [options, message] of wrong) {
    const search = () => searchPatterns(model, { ...OPTIONS, ...options });
    await assertRejects(search, RangeError, message);
  }
});
