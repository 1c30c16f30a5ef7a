import { assertEquals, assertThrows } from "@std/assert";
import type { HeadFile, HeadSource, QueryHeadEntry } from "../../lib/attention/head_file.ts";
import { readHeadFile, writeHeadFile } from "../../lib/attention/head_file.ts";
import { mergeHeadFiles } from "../../lib/attention/merge_heads.ts";
import { methods } from "../../lib/attention/methods.ts";
import { inFolder } from "../in_folder.ts";

const MODEL = { name: "small 0123", layers: 1, heads: 2, kvHeads: 1 };

function fileOf(
  source: Partial<HeadSource>,
  heads: readonly Partial<QueryHeadEntry>[],
  more: Partial<HeadFile> = {},
): HeadFile {
  const common = { version: 1, date: null, criterion: null, texts: [], by: "", tokens: null };
  const none = { type: null, scores: {}, pattern: null, candidates: [] };
  const queryHeads = heads.map((head) => ({ ...none, ...head }));
  return {
    model: MODEL,
    obtained: [{ ...common, settings: {}, ...source }],
    layers: [{ queryHeads, kvHeads: [] }],
    ...more,
  };
}

const PATTERN = { kind: "aShape", sink: 4, window: 8 } as const;
const CANDIDATES = [{ pattern: PATTERN, scores: { mass: 0.5 } }];
const PATTERNS = fileOf({ by: "pattern search", tokens: 800 }, [
  { type: "aShape", scores: { mass: 0.5 }, pattern: PATTERN, candidates: CANDIDATES },
  { type: "dense", pattern: { kind: "dense" } },
]);
const MODES = fileOf({ by: "retrieval search", tokens: 1600, settings: { topK: 7 } }, [
  { scores: { tailError: 0.25 }, retrieval: "tail" },
  { scores: { tailError: 0.5 }, retrieval: "index" },
]);

Deno.test("mergeHeadFiles() makes one file that each method reads as it reads its own", () =>
  inFolder(async (folder) => {
    const merged = mergeHeadFiles(PATTERNS, MODES);
    assertEquals(merged.layers[0]!.queryHeads, [
      {
        ...{ type: "aShape", scores: { mass: 0.5, tailError: 0.25 }, pattern: PATTERN },
        ...{ retrieval: "tail", candidates: CANDIDATES },
      },
      {
        ...{ type: "dense", scores: { tailError: 0.5 }, pattern: { kind: "dense" } },
        ...{ retrieval: "index", candidates: [] },
      },
    ]);
    await writeHeadFile(`${folder}/heads.json`, merged);
    const heads = await readHeadFile(`${folder}/heads.json`);
    assertEquals(heads, merged);
    for (const file of [heads, mergeHeadFiles(MODES, PATTERNS)]) {
      const [prefill, decode] = [PATTERNS, MODES];
      assertEquals(
        methods.minference({ heads: file }).options,
        methods.minference({ heads: prefill }).options,
      );
      assertEquals(
        methods.retrieval({ heads: file, tail: "clusters" }).options,
        methods.retrieval({ heads: decode, tail: "clusters" }).options,
      );
    }
  }));

Deno.test("mergeHeadFiles() of a file and what it holds already is that file", () => {
  const merged = mergeHeadFiles(PATTERNS, MODES);
  for (const one of [PATTERNS, MODES, merged]) assertEquals(mergeHeadFiles(merged, one), merged);
});

Deno.test("mergeHeadFiles() puts what is known of KV heads together", () => {
  const kvHeads = (scores: Record<string, number>) => [{ type: null, scores }];
  const [none] = PATTERNS.layers;
  const withKv = (scores: Record<string, number>) => ({
    ...PATTERNS,
    layers: [{ ...none!, kvHeads: kvHeads(scores) }],
  });
  const of = (one: HeadFile, other: HeadFile) => mergeHeadFiles(one, other).layers[0]!.kvHeads;
  assertEquals(of(PATTERNS, withKv({ a: 1 })), kvHeads({ a: 1 }));
  assertEquals(of(withKv({ a: 1 }), PATTERNS), kvHeads({ a: 1 }));
  assertEquals(of(withKv({ a: 1 }), withKv({ b: 2 })), kvHeads({ a: 1, b: 2 }));
});

Deno.test("mergeHeadFiles() refuses files of two models, and heads that two files tell otherwise", () => {
  const modelOf = (more: Partial<HeadFile["model"]>) => ({
    ...MODES,
    model: { ...MODEL, ...more },
  });
  const headOf = (head: Partial<QueryHeadEntry>) => fileOf({ by: "somebody" }, [{}, head]);
  const one = mergeHeadFiles(PATTERNS, MODES);
  const cases: [other: HeadFile, message: string][] = [
    [
      modelOf({ name: "small 4567" }),
      'name of the model must be small 0123: current value is "small 4567"',
    ],
    [modelOf({ layers: 2 }), "layers of the model must be 1: current value is 2"],
    [headOf({ retrieval: "dense" }), 'head 1 a mode, or both the same, as "index"'],
    [headOf({ pattern: PATTERN }), "layer 0, head 1 a pattern"],
    [headOf({ type: "aShape" }), "a type"],
    [headOf({ scores: { tailError: 0.4 } }), "a score tailError, or both the same, as 0.5"],
    [fileOf({}, [{ candidates: [...CANDIDATES, ...CANDIDATES] }, {}]), "head 0 candidates"],
  ];
  for (const [other, message] of cases) {
    assertThrows(() => mergeHeadFiles(one, other), RangeError, message);
  }
});
