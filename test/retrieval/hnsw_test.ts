import { assert, assertEquals, assertRejects } from "@std/assert";
import { BackendError, CancelledError } from "../../ffi/errors.ts";
import { emptyPlace } from "../../lib/retrieval/growing_index.ts";
import { type HnswGraph, HnswIndex } from "../../lib/retrieval/hnsw.ts";
import { indexOptions } from "../../lib/retrieval/index_options.ts";
import { loadIndex } from "../../lib/retrieval/make_index.ts";
import { HEADS, KV_HEADS, type Layer, onLayers } from "./layer.ts";

const TOKENS = 420;

/** Compares a query with every point: stands for the package where that is not built. */
class EveryPoint implements HnswGraph {
  readonly #points = new Map<number, number[]>();
  #room = 0;
  onPoint = () => {};

  initIndex(maxElements: number): void {
    this.#points.clear();
    this.#room = maxElements;
  }

  resizeIndex(maxElements: number): void {
    this.#room = maxElements;
  }

  getMaxElements(): number {
    return this.#room;
  }

  getNumDimensions(): number {
    return 16;
  }

  addPoint(point: number[], label: number): void {
    assert(this.#points.size < this.#room, "no room for the point");
    this.#points.set(label, point);
    this.onPoint();
  }

  setEf(): void {}

  searchKnn(query: number[], k: number): { distances: number[]; neighbors: number[] } {
    const distance = (point: number[]) => 1 - point.reduce((sum, x, i) => sum + x * query[i]!, 0);
    const all = [...this.#points].map(([label, point]) => ({ label, distance: distance(point) }));
    const found = all.sort((a, b) => a.distance - b.distance).slice(0, k);
    return {
      distances: found.map(({ distance }) => distance),
      neighbors: found.map(({ label }) => label),
    };
  }
}

function emptyIndex({ backend }: Layer) {
  const graphs = Array.from({ length: KV_HEADS }, () => new EveryPoint());
  const index = new HnswIndex(
    backend,
    indexOptions("test", "hnsw"),
    emptyPlace({ start: 5 }),
    graphs,
  );
  return { index, graphs };
}

async function keysOf(layer: Layer, index: HnswIndex): Promise<number[][]> {
  const { found } = await index.search(layer.query(7, 10));
  return found.map(({ indices }) => [...indices]);
}

onLayers("an hnsw index that was cancelled says so", TOKENS, async (layer) => {
  const { index, graphs } = emptyIndex(layer);
  const control = layer.backend.control();
  graphs[1]!.onPoint = () => control.cancel();
  await assertRejects(() => index.build(layer.kv, 400, control), CancelledError);
  assertEquals(index.end, 5);
});

onLayers(
  "an append to an hnsw index that was stopped finds no new keys and can be done again",
  TOKENS,
  async (layer) => {
    const { index, graphs } = emptyIndex(layer);
    await index.build(layer.kv, 100);
    const control = layer.backend.control();
    graphs[0]!.onPoint = () => control.cancel();
    await assertRejects(() => index.append(layer.kv, 400, control), CancelledError);
    assertEquals(index.end, 100);
    const before = (await keysOf(layer, index)).flat();
    assert(before.every((key) => key < 100), `${before}`);
    await index.append(layer.kv, 400);
    const exact = await layer.build({ kind: "exact" }, 5, 400);
    const { found } = await exact.search(layer.query(7, 10));
    assertEquals(await keysOf(layer, index), found.map(({ indices }) => [...indices]));
    assertEquals(found.length, HEADS);
  },
);

onLayers("an hnsw index says what its graphs take", TOKENS, async (layer) => {
  const { index } = emptyIndex(layer);
  await index.build(layer.kv, 400);
  const { keys, bytes } = index.stats();
  assertEquals(keys, 395);
  // A key of 16 numbers and 32 neighbours, for each KV head, with some room.
  assert(bytes >= KV_HEADS * 395 * 4 * (16 + 32), `${bytes}`);
});

onLayers("the package finds most of the best keys, saved or not", TOKENS, async (layer) => {
  const index = await packaged(layer);
  if (!index) return console.log("skipped: hnswlib-node is not built here");
  await index.append(layer.kv, 400);
  const exact = await layer.build({ kind: "exact" }, 5, 400);
  const again = await loadIndex(layer.backend, structuredClone(index.save()), {
    kv: layer.kv,
    heads: HEADS,
  });
  let hits = 0;
  for (let row = 0; row < 20; row++) {
    const query = layer.query(row, 10);
    const [wanted, answer] = [await exact.search(query), await index.search(query)];
    assertEquals((await again.search(query)).found, answer.found);
    answer.found.forEach(({ indices, scores }, head) => {
      assert(scores.every((score, i) => i === 0 || score <= scores[i - 1]!));
      hits += indices.filter((key) => wanted.found[head]!.indices.includes(key)).length;
    });
  }
  assert(hits > 0.6 * 20 * HEADS * 10, `${hits}`);
});

/** An index of the package over keys 5 to 199; `null` where it is not built. */
async function packaged(layer: Layer) {
  try {
    return await layer.build({ kind: "hnsw" }, 5, 200);
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    assert(error.message.includes("the native part of hnswlib-node must be built"), error.message);
    return null;
  }
}
