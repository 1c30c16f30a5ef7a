import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { ModelFormatError } from "../../ffi/errors.ts";
import type { HeadFile, QueryHeadEntry } from "../../lib/attention/head_file.ts";
import type { HeadPattern } from "../../lib/attention/head_pattern.ts";
import {
  parseMInference,
  readMInferenceFile,
  writeMInferenceFile,
} from "../../lib/attention/minference_file.ts";
import { inFolder } from "../in_folder.ts";

const MODEL = { name: "small", layers: 2, heads: 3, kvHeads: 1 };

const GOLDEN = `[{"0": ["vertical_and_slash",100,800,0.9375], "1": ["stream_llm",128,3968,0.5], \
"2": ["block_sparse",100,0,0.75]},
{"0": ["vertical_and_slash",3500,100,1], "1": ["vertical_and_slash",30,800,0.875], \
"2": ["vertical_and_slash",1000,6096,0.25]}]
`;

const PATTERNS: HeadPattern[][] = [
  [
    { kind: "verticalSlash", vertical: 100, slash: 800 },
    { kind: "aShape", sink: 128, window: 3968 },
    { kind: "blockSparse", block: 64, topK: 100 },
  ],
  [
    { kind: "verticalSlash", vertical: 3500, slash: 100 },
    { kind: "verticalSlash", vertical: 30, slash: 800 },
    { kind: "verticalSlash", vertical: 1000, slash: 6096 },
  ],
];

function patternsOf({ layers }: HeadFile) {
  return layers.map(({ queryHeads }) => queryHeads.map(({ pattern }) => pattern));
}

async function noticesOf(json: unknown, model = MODEL): Promise<readonly string[]> {
  return (await parseMInference(json, "a.json", { model })).notices;
}

/** A layer of three vertical-slash heads. */
const layer = (...heads: [v: number, s: number, score: number][]) =>
  Object.fromEntries(heads.map((head, h) => [`${h}`, ["vertical_and_slash", ...head]]));

Deno.test("readMInferenceFile() reads a published file, and writeMInferenceFile() writes it", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/published.json`, GOLDEN);
    const { heads, notices } = await readMInferenceFile(`${folder}/published.json`, {
      model: MODEL,
      date: "2026-01-02",
    });
    assertEquals(patternsOf(heads), PATTERNS);
    assertEquals(heads.layers[0]!.queryHeads.map(({ scores }) => scores), [
      { score: 0.9375 },
      { score: 0.5 },
      { score: 0.75 },
    ]);
    assertEquals(heads.obtained, [{
      by: "MInference file",
      version: 1,
      date: "2026-01-02",
      criterion: null,
      tokens: null,
      texts: [],
      settings: { file: "published.json" },
    }]);
    assertEquals(notices, []);
    await writeMInferenceFile(`${folder}/again.json`, heads);
    assertEquals(await Deno.readTextFile(`${folder}/again.json`), GOLDEN);
  }));

Deno.test("readMInferenceFile() gives back the patterns that writeMInferenceFile() wrote", () =>
  inFolder(async (folder) => {
    const budget = fc.nat(2 ** 31 - 1);
    const pattern = fc.oneof<fc.Arbitrary<HeadPattern>[]>(
      fc.record({ kind: fc.constant("verticalSlash" as const), vertical: budget, slash: budget }),
      fc.record({
        kind: fc.constant("aShape" as const),
        sink: budget,
        window: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      }),
      fc.constant({ kind: "blockSparse" as const, block: 64, topK: 100 }),
    );
    const layers = fc.array(fc.array(pattern, { minLength: 3, maxLength: 3 }), {
      minLength: 2,
      maxLength: 2,
    });
    const path = `${folder}/heads.json`;
    const roundTrip = fc.asyncProperty(layers, async (patterns) => {
      await writeMInferenceFile(path, headsOf(patterns));
      const { heads } = await readMInferenceFile(path, { model: MODEL });
      assertEquals(patternsOf(heads), plain(patterns));
    });
    await fc.assert(roundTrip, { numRuns: 40, seed: 1 });
  }));

/** Objects with the usual prototype. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

function headsOf(patterns: readonly (readonly (HeadPattern | null)[])[]): HeadFile {
  const entry = (pattern: HeadPattern | null): QueryHeadEntry => ({
    type: null,
    scores: { mass: 0.5 },
    pattern,
    candidates: [],
  });
  const source = { by: "test", version: 1, date: null, criterion: null, tokens: null };
  return {
    model: MODEL,
    obtained: [{ ...source, texts: [], settings: {} }],
    layers: patterns.map((heads) => ({ queryHeads: heads.map(entry), kvHeads: [] })),
  };
}

Deno.test("readMInferenceFile() gives heads that are missing what the released code gives them", async () => {
  const json = [layer([30, 800, 0.9]), layer([30, 801, 0.9], [1, 2, 0.9])];
  const { heads, notices } = await parseMInference(json, "a.json", { model: MODEL });
  const missing = { kind: "verticalSlash", vertical: 1000, slash: 6096 } as const;
  assertEquals(heads.layers[0]!.queryHeads[2], {
    type: null,
    scores: {},
    pattern: missing,
    candidates: [],
  });
  assertEquals(notices, ["3 heads are not in the file and get 1000 columns and 6096 diagonals"]);
});

Deno.test("readMInferenceFile() notices scores that no search would have chosen by", async () => {
  const low = layer([30, 800, 0.39], [100, 800, 0.41], [30, 800, 0.4]);
  const [notice, ...others] = await noticesOf([low, layer([1, 2, 0.95], [1, 2, 0.2], [1, 2, 0.3])]);
  assertStringIncludes(notice!, "Half of the scores are at most 0.395");
  assertEquals(others, []);
});

Deno.test("readMInferenceFile() notices one budget with the scores of several", async () => {
  const same = layer([512, 2048, 0.99], [512, 2048, 0.7], [512, 2048, 0.95]);
  const [notice, ...others] = await noticesOf([same, same]);
  assertStringIncludes(
    notice!,
    "All 6 heads have the budgets 512 and 2048, but scores from 0.7 to",
  );
  assertEquals(others, []);
  const close = layer([512, 2048, 0.99], [512, 2048, 0.95], [512, 2048, 0.97]);
  assertEquals(await noticesOf([close, close]), []);
});

Deno.test("readMInferenceFile() notices scores that are counts, or no shares", async () => {
  const counts = layer([30, 800, 120], [100, 800, 0], [30, 800, 7]);
  const [notice, ...others] = await noticesOf([counts, counts]);
  assertStringIncludes(notice!, "whole numbers: counts");
  assertEquals(others, []);
  const outside = layer([30, 800, 1.5], [100, 800, -0.25], [30, 800, 0.9]);
  assertEquals(await noticesOf([outside, outside]), [
    "4 scores are no shares of attention: not between 0 and 1",
  ]);
});

const whole = layer([1, 2, 0.9], [1, 2, 0.9], [1, 2, 0.9]);
const damaged: [what: string, json: unknown, message: string][] = [
  ["what is no list", { layers: [] }, "its content is not valid"],
  ["an unknown type", [whole, { 0: ["dilated", 1, 2, 0.5] }], "1.0"],
  ["a broken budget", [whole, layer([1, 2.5, 0.9])], "1.0"],
  ["an entry that is too short", [whole, { 0: ["stream_llm", 1, 2] }], "1.0"],
  ["a head that is no number", [whole, { one: ["stream_llm", 1, 2, 0.5] }], "1.one"],
  ["another number of layers", [whole], "small has 2 layers: current value is 1"],
  ["more heads", [whole, { 3: ["stream_llm", 1, 2, 0.5] }], 'below 3: current value is "3"'],
];

for (const [what, json, message] of damaged) {
  Deno.test(`readMInferenceFile() refuses ${what}`, () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/a.json`, JSON.stringify(json));
      const read = () => readMInferenceFile(`${folder}/a.json`, { model: MODEL });
      await assertRejects(read, ModelFormatError, message);
    }));
}

Deno.test("writeMInferenceFile() refuses what the format cannot tell", () =>
  inFolder(async (folder) => {
    const others: (HeadPattern | null)[] = [
      { kind: "dense" },
      { kind: "blockSparse", block: 64, topK: 99 },
      null,
    ];
    for (const other of others) {
      const heads = headsOf([PATTERNS[0]!, [PATTERNS[1]![0]!, other, PATTERNS[1]![2]!]]);
      const write = () => writeMInferenceFile(`${folder}/a.json`, heads);
      await assertRejects(write, RangeError, "Cannot write layer 1, head 1");
    }
    assertEquals(Array.from(Deno.readDirSync(folder)), []);
  }));
