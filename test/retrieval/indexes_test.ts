import { assert, assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import type { IndexOperations } from "../../ffi/index_operations.ts";
import { exactIndex } from "../../lib/retrieval/exact.ts";
import type { IndexOptions } from "../../lib/retrieval/index_options.ts";
import type { KvIndex } from "../../lib/retrieval/kv_index.ts";
import { loadIndex, NO_QUERIES } from "../../lib/retrieval/make_index.ts";
import { HEADS, type Layer, onLayers } from "./layer.ts";

const KINDS: readonly IndexOptions[] = [
  { kind: "exact" },
  { kind: "graph", degree: 8, width: 40, buildWidth: 30, listLength: 8 },
  { kind: "graph", degree: 8, width: 40, buildWidth: 30, listLength: 8, perQueryHead: true },
  { kind: "clusters", clusterKeys: 8, share: 0.3 },
  { kind: "flat4" },
  { kind: "pages", page: 4, share: 0.4 },
  { kind: "blocks", block: 8, share: 0.3 },
  { kind: "auto" },
];
const TOKENS = 420;

async function found(layer: Layer, index: KvIndex, row: number, topK: number, end?: number) {
  const { found } = await index.search(layer.query(row, topK, end));
  return found.map(({ indices }) => [...indices]);
}

async function recall(layer: Layer, index: KvIndex, topK: number): Promise<number> {
  const exact = exactIndex(layer.backend, index);
  let hits = 0;
  for (let row = 0; row < 20; row++) {
    const [wanted, got] = [
      await found(layer, exact, row, topK),
      await found(layer, index, row, topK),
    ];
    wanted.forEach((keys, head) => hits += keys.filter((key) => got[head]!.includes(key)).length);
  }
  return hits / (20 * HEADS * topK);
}

for (const options of KINDS) {
  const name = JSON.stringify(options);

  onLayers(`an index finds most of the best keys, best first: ${name}`, TOKENS, async (layer) => {
    const index = await layer.build(options, 5, 400);
    assert(await recall(layer, index, 10) > 0.6, "few of the best keys were found");
    const { found, scanned } = await index.search(layer.query(3, 10));
    assertEquals(found.length, HEADS);
    for (const { indices, scores } of found) {
      assertEquals(indices.length, 10);
      assertEquals(new Set(indices).size, 10);
      assert(indices.every((key) => key >= 5 && key < 400));
      assert(scores.every((score, i) => i === 0 || score <= scores[i - 1]!));
    }
    assert(Array.from(scanned).every((count) => count >= 10 && count <= 420 + 60));
    index.close();
  });

  onLayers(`keys that are appended are found as others are: ${name}`, TOKENS, async (layer) => {
    const index = await layer.build(options, 5, 200);
    for (const end of [201, 203, 290, 400]) await index.append(layer.kv, end);
    assertEquals([index.start, index.end], [5, 400]);
    assert(await recall(layer, index, 10) > 0.6, "few of the best keys were found");
    const { keys, appended } = index.stats();
    assertEquals(keys, 395);
    assert(options.kind === "exact" || index.options.kind === "exact" || appended === 200);
    index.close();
  });

  onLayers(`a saved index answers with the same bits: ${name}`, TOKENS, async (layer) => {
    const index = await layer.build(options, 5, 300);
    await index.append(layer.kv, 400);
    const copy = structuredClone(index.save());
    const again = await loadIndex(layer.backend, copy, { kv: layer.kv, heads: HEADS });
    assertEquals([again.start, again.end], [5, 400]);
    for (let row = 0; row < 5; row++) {
      const [a, b] = [
        await index.search(layer.query(row, 12)),
        await again.search(layer.query(row, 12)),
      ];
      assertEquals(a.found, b.found);
      assertEquals([...Array.from(a.scanned)], [...Array.from(b.scanned)]);
    }
    index.close();
    again.close();
  });

  onLayers(`a fork and its origin go their own ways: ${name}`, TOKENS, async (layer) => {
    const index = await layer.build(options, 5, 200);
    const before = await found(layer, index, 7, 10);
    const fork = index.fork();
    await fork.append(layer.kv, 400);
    assertEquals(await found(layer, index, 7, 10), before);
    await index.append(layer.kv, 300);
    index.close();
    assertEquals(fork.end, 400);
    assert(await recall(layer, fork, 10) > 0.6, "few of the best keys were found");
    fork.close();
  });

  onLayers(
    `no key from a query's end on is returned, but as many others: ${name}`,
    TOKENS,
    async (layer) => {
      const index = await layer.build(options, 5, 400);
      const keys = (await found(layer, index, 9, 10, 60)).flat();
      assert(keys.length > 0 && keys.every((key) => key < 60), `${keys}`);
      for (let row = 0; row < 5; row++) {
        const some = await found(layer, index, row, 10, 370);
        assertEquals(some.map(({ length }) => length), Array(HEADS).fill(10));
        assert(some.flat().every((key) => key < 370));
      }
      index.close();
    },
  );

  onLayers(`few keys are all returned: ${name}`, 40, async (layer) => {
    const index = await layer.build(options, 5, 12);
    const all = (await found(layer, index, 30, 50)).map((keys) => keys.toSorted((a, b) => a - b));
    assertEquals(all, Array.from({ length: HEADS }, () => [5, 6, 7, 8, 9, 10, 11]));
    index.close();
  });

  const equal = (value: number, token: number) => token < 60 ? 0 : value;
  onLayers(`equal keys are no trouble: ${name}`, 80, async (layer) => {
    const index = await layer.build(options, 0, 50);
    const keys = await found(layer, index, 70, 8);
    keys.forEach((some) => assertEquals(new Set(some).size, 8));
    index.close();
  }, equal);
}

onLayers("what all keys of an index add is exact, a bound or near", TOKENS, async (layer) => {
  const [exact, pages, flat4] = await Promise.all([
    layer.build({ kind: "exact" }, 5, 400),
    layer.build({ kind: "pages" }, 5, 400),
    layer.build({ kind: "flat4" }, 5, 400),
  ]);
  for (let row = 0; row < 5; row++) {
    const query = layer.query(row, 10);
    const masses = await Promise.all(
      [exact, pages, flat4].map(async (index) => (await index!.search(query)).mass!),
    );
    assertEquals(masses.map(({ kind }) => kind), ["exact", "bound", "estimate"]);
    masses[0]!.lse.forEach((lse, head) => {
      assert(masses[1]!.lse[head]! >= lse - 1e-5, "the bound is below the truth");
      assert(Math.abs(masses[2]!.lse[head]! - lse) < 0.05, "the estimate is far from the truth");
    });
  }
  for (const index of [exact, pages, flat4]) index!.close();
});

onLayers("a graph without queries is refused unless it asks for none", TOKENS, async (layer) => {
  const { backend } = layer;
  const { buildIndex } = await import("../../lib/retrieval/make_index.ts");
  const source = { ...layer.source(5, 400), queries: NO_QUERIES };
  await assertRejects(
    () => buildIndex(backend, { kind: "graph" }, source),
    RangeError,
    "the prefill must have kept queries",
  );
  const index = await buildIndex(backend, { kind: "graph", queryShare: 0 }, source);
  assert(await recall(layer, index, 10) > 0.5);
  index.close();
});

onLayers("a graph is searched before its first entry, too", TOKENS, async (layer) => {
  for (const perQueryHead of [false, true]) {
    const index = await layer.build({ kind: "graph", perQueryHead }, 5, 400);
    const entries = index.save().arrays.entries as Int32Array;
    const end = 5 + Math.min(...entries);
    const keys = await found(layer, index, 9, 3, end);
    assert(keys.every(({ length }) => length === Math.min(3, end - 5)), `${keys} before ${end}`);
    index.close();
  }
});

onLayers("damaged arrays of a saved index are refused", TOKENS, async (layer) => {
  const at = { kv: layer.kv, heads: HEADS };
  const cases: [IndexOptions, string, (arrays: Record<string, unknown>) => void][] = [
    [{ kind: "graph" }, "entries must be in", (a) => (a.entries as Int32Array)[0] = 4000],
    [{ kind: "graph" }, "neighbours must be", (a) => a.neighbours = new Uint32Array(7)],
    [{ kind: "clusters" }, "clusterOf must be in", (a) => (a.clusterOf as Int32Array)[3] = -2],
    [{ kind: "clusters" }, "sizes must be", (a) => (a.sizes as Int32Array)[0]! += 1],
    [{ kind: "clusters" }, "centroids must be", (a) => delete a.centroids],
    [{ kind: "flat4" }, "records must be", (a) => a.records = new Uint8Array(64)],
    [{ kind: "pages" }, "max must be", (a) => a.max = new Float32Array(64)],
  ];
  for (const [options, message, damage] of cases) {
    const index = await layer.build(options, 5, 400);
    const saved = structuredClone(index.save());
    damage(saved.arrays as Record<string, unknown>);
    await assertRejects(() => loadIndex(layer.backend, saved, at), RangeError, message);
    index.close();
  }
});

onLayers("a last run that is too short is not opened alone", TOKENS, async (layer) => {
  for (const kind of ["pages", "blocks"] as const) {
    for (const [end, topK] of [[102, 2], [102, 9], [103, 5]] as const) {
      const size = kind === "pages" ? { kind, page: 8 } : { kind, block: 8 };
      const index = await layer.build({ ...size, share: 0 }, 5, end);
      for (let row = 0; row < 20; row++) {
        const keys = await found(layer, index, row, topK);
        assertEquals(keys.map(({ length }) => length), Array(HEADS).fill(topK));
      }
      index.close();
    }
  }
});

const SMALL_RUNS: readonly IndexOptions[] = [
  { kind: "pages", page: 4, share: 0.1 },
  { kind: "blocks", block: 4, share: 0.1 },
];

for (const options of SMALL_RUNS) {
  const name = `an append that was stopped leaves no trace: ${options.kind}`;
  onLayers(name, TOKENS, async (layer) => {
    const [index, other] = [await layer.build(options, 5, 200), await layer.build(options, 5, 200)];
    const control = layer.backend.control();
    control.cancel();
    await assertRejects(async () => await index.append(layer.kv, 400, control), CancelledError);
    assertEquals(await found(layer, index, 7, 10), await found(layer, other, 7, 10));
    await index.append(layer.kv, 400);
    await other.append(layer.kv, 400);
    assertEquals(await found(layer, index, 7, 10), await found(layer, other, 7, 10));
    index.close();
    other.close();
  });
}

onLayers(
  "an append to graphs that was stopped between them can be done again",
  400,
  async (layer) => {
    const options = { kind: "graph", degree: 8, width: 40, listLength: 8 } as const;
    const { indexes } = layer.backend as {
      indexes: { extendGraph: IndexOperations["extendGraph"] };
    };
    const { extendGraph } = indexes;
    for (const first of [6, 200]) {
      const index = await layer.build(options, 5, first);
      let calls = 0;
      indexes.extendGraph = (...asked) => {
        if (++calls === 2) throw new CancelledError("stopped");
        return extendGraph(...asked);
      };
      try {
        await assertRejects(async () => await index.append(layer.kv, 300), CancelledError);
      } finally {
        indexes.extendGraph = extendGraph;
      }
      assertEquals(index.end, first);
      const keys = (await found(layer, index, 3, 10)).flat();
      assert(keys.length > 0 && keys.every((key) => key < first), `${keys}`);
      await index.append(layer.kv, 400);
      assert(await recall(layer, index, 10) > 0.6, "few of the best keys were found");
      index.close();
    }
  },
);

onLayers("4-bit keys that were saved in another layout are refused", 300, async (layer) => {
  const index = await layer.build({ kind: "flat4" }, 5, 200);
  const older = { ...index.save(), counts: {} };
  await assertRejects(
    async () => await loadIndex(layer.backend, older, { kv: layer.kv, heads: HEADS }),
    RangeError,
    "the layout of records must be 2: current value is undefined",
  );
  index.close();
});
