import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { ModelFormatError } from "../../ffi/errors.ts";
import { type HeadFile, readHeadFile, writeHeadFile } from "../../lib/attention/head_file.ts";
import { methods } from "../../lib/attention/methods.ts";
import { modelName } from "../../lib/cli/model_name.ts";
import { inFolder } from "../in_folder.ts";

const FILE: HeadFile = {
  model: { name: "small", layers: 2, heads: 2, kvHeads: 1 },
  obtained: [{
    by: "pattern search",
    version: 1,
    date: "2026-01-02T03:04:05.000Z",
    criterion: "mass",
    tokens: 4096,
    texts: [{ name: "a.txt", sha256: "0".repeat(64) }, { name: "b.txt", sha256: null }],
    settings: { tileShare: 0.2, chunkTokens: 512, kv: "bf16" },
  }],
  layers: [
    {
      queryHeads: [
        {
          type: "verticalSlash",
          scores: { mass: 0.5 },
          pattern: { kind: "verticalSlash", vertical: 30, slash: 800 },
          candidates: [
            { pattern: { kind: "aShape", sink: 4, window: 8 }, scores: { mass: 0.25, error: 1 } },
          ],
        },
        { type: null, scores: {}, pattern: null, candidates: [] },
      ],
      kvHeads: [{ type: "retrieval", scores: { retrieval: 0.75 } }],
    },
    {
      queryHeads: [
        { type: "dense", scores: {}, pattern: { kind: "dense" }, candidates: [] },
        {
          type: "blockSparse",
          scores: {},
          pattern: { kind: "blockSparse", block: 64, topK: 100 },
          candidates: [],
        },
      ],
      kvHeads: [],
    },
  ],
};

const GOLDEN = `{
 "format": "longlens-heads",
 "version": 1,
 "model": {
  "name": "small",
  "layers": 2,
  "heads": 2,
  "kvHeads": 1
 },
 "obtained": [
  {
   "by": "pattern search",
   "version": 1,
   "date": "2026-01-02T03:04:05.000Z",
   "criterion": "mass",
   "tokens": 4096,
   "texts": [
    {
     "name": "a.txt",
     "sha256": "${"0".repeat(64)}"
    },
    {
     "name": "b.txt",
     "sha256": null
    }
   ],
   "settings": {
    "tileShare": 0.2,
    "chunkTokens": 512,
    "kv": "bf16"
   }
  }
 ],
 "layers": [
  {
   "queryHeads": [
    {"type":"verticalSlash","scores":{"mass":0.5},"pattern":{"kind":"verticalSlash","vertical":30,"slash":800},"candidates":[{"pattern":{"kind":"aShape","sink":4,"window":8},"scores":{"mass":0.25,"error":1}}]},
    {"type":null,"scores":{},"pattern":null,"candidates":[]}
   ],
   "kvHeads": [
    {"type":"retrieval","scores":{"retrieval":0.75}}
   ]
  },
  {
   "queryHeads": [
    {"type":"dense","scores":{},"pattern":{"kind":"dense"},"candidates":[]},
    {"type":"blockSparse","scores":{},"pattern":{"kind":"blockSparse","block":64,"topK":100},"candidates":[]}
   ],
   "kvHeads": []
  }
 ]
}
`;

Deno.test("readHeadFile() reads a file written by hand, and writeHeadFile() writes that file", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/hand.json`, GOLDEN);
    assertEquals(await readHeadFile(`${folder}/hand.json`), FILE);
    await writeHeadFile(`${folder}/heads.json`, FILE);
    assertEquals(await Deno.readTextFile(`${folder}/heads.json`), GOLDEN);
  }));

const budget = fc.nat(2 ** 31 - 1);
const some = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const pattern = fc.oneof(
  fc.constant({ kind: "dense" as const }),
  fc.record({ kind: fc.constant("aShape" as const), sink: budget, window: some }),
  fc.record({ kind: fc.constant("verticalSlash" as const), vertical: budget, slash: budget }),
  fc.record({ kind: fc.constant("blockSparse" as const), block: some, topK: some }),
);
const scores = fc.dictionary(
  fc.string({ minLength: 1 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
).filter((record) => !Object.hasOwn(record, "__proto__"));
const queryHead = fc.record({
  type: fc.option(fc.string()),
  scores,
  pattern: fc.option(pattern),
  candidates: fc.array(fc.record({ pattern, scores }), { maxLength: 3 }),
});

Deno.test("readHeadFile() reads back what writeHeadFile() wrote", () =>
  inFolder(async (folder) => {
    const layer = fc.record({
      queryHeads: fc.array(queryHead, { minLength: 2, maxLength: 2 }),
      kvHeads: fc.constant([]),
    });
    const layers = fc.array(layer, { minLength: 2, maxLength: 2 });
    const path = `${folder}/heads.json`;
    const roundTrip = fc.asyncProperty(layers, async (layers) => {
      const heads = { ...FILE, layers };
      await writeHeadFile(path, heads);
      assertEquals(await readHeadFile(path), plain(heads));
    });
    await fc.assert(roundTrip, { numRuns: 40, seed: 1 });
  }));

/** Objects with the usual prototype. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

const damaged: [what: string, text: string, message: string][] = [
  ["no JSON", GOLDEN.slice(0, -9), "as it must be JSON"],
  ["another format", '{"format":"heads","version":1}', "as format is not valid"],
  ["another version", GOLDEN.replace('"version": 1', '"version": 2'), "version must be 1"],
  ["an unknown field", GOLDEN.replace('"name": "small"', '"nome": "small"'), "as model.name"],
  ["an unknown pattern", GOLDEN.replace('"dense"}', '"sparse"}'), "layers.1.queryHeads.0.pattern"],
  ["a broken budget", GOLDEN.replace('"slash":800', '"slash":-1'), "current value is -1"],
  [
    "a huge budget",
    GOLDEN.replace('"slash":800', '"slash":1e12'),
    "current value is 1000000000000",
  ],
  ["a score that is none", GOLDEN.replace('"mass":0.5', '"mass":"0.5"'), "scores.mass"],
  ["a hash that is none", GOLDEN.replace("0".repeat(64), "00"), "obtained.0.texts.0.sha256"],
  ["no source", GOLDEN.replace(/"obtained": \[[\s\S]*?\n \],/, '"obtained": [],'), "obtained"],
  ["fewer layers", GOLDEN.replace('"layers": 2', '"layers": 3'), "layers must be 3"],
  ["fewer heads", GOLDEN.replace('"heads": 2', '"heads": 3'), "queryHeads must be 3"],
  ["fewer KV heads", GOLDEN.replace('"kvHeads": 1', '"kvHeads": 2'), "kvHeads must be 2 or none"],
];

for (const [what, text, message] of damaged) {
  Deno.test(`readHeadFile() refuses ${what}`, () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/heads.json`, text);
      await assertRejects(() => readHeadFile(`${folder}/heads.json`), ModelFormatError, message);
    }));
}

Deno.test("writeHeadFile() leaves the old file when the new one would be refused", () =>
  inFolder(async (folder) => {
    const path = `${folder}/heads.json`;
    await writeHeadFile(path, FILE);
    const wrong = { ...FILE, layers: FILE.layers.slice(1) };
    await assertRejects(() => writeHeadFile(path, wrong), ModelFormatError, "layers must be 2");
    assertEquals(await Deno.readTextFile(path), GOLDEN);
  }));

Deno.test("the head file of the embedded model is of it, and each head keeps to its tiles", async () => {
  const folder = new URL("../../lib/model/embedded/", import.meta.url);
  const name = await modelName(fileURLToPath(folder));
  const heads = await readHeadFile(new URL("heads_32k.json", folder).pathname);
  const config = JSON.parse(await Deno.readTextFile(new URL("config.json", folder)));
  const { num_hidden_layers: layers, num_attention_heads: queryHeads } = config;
  const { model } = heads;
  assertEquals([model.name, model.layers, model.heads], [name, layers, queryHeads]);
  for (const { queryHeads } of heads.layers) {
    for (const { scores } of queryHeads) assert(scores.tileShare! <= 0.21, `${scores.tileShare}`);
  }
  assertEquals(methods.minference({ heads }).name, "minference");
});
