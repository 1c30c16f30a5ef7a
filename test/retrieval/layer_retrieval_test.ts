import { assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import type { IndexOperations } from "../../ffi/index_operations.ts";
import { LayerRetrieval } from "../../lib/retrieval/layer_retrieval.ts";
import type { RetrievalWish } from "../../lib/retrieval/retrieval_wish.ts";
import { HEADS, onLayers } from "./layer.ts";

const TOKENS = 420;
/** Pages are tensors of the backend, which counts them. */
const WISH: RetrievalWish = {
  index: { kind: "pages" },
  tail: { clusterKeys: 8, iterations: 2 },
  ...{ sink: 5, window: 20, batch: 1 },
};

onLayers("nothing stays of an index whose tail could not be built", TOKENS, async (layer) => {
  const { backend } = layer;
  const { indexes } = backend as { indexes: { clusterKeys: IndexOperations["clusterKeys"] } };
  const { clusterKeys } = indexes;
  const before = backend.allocatedBytes();
  indexes.clusterKeys = () => {
    throw new CancelledError("stopped");
  };
  try {
    const built = LayerRetrieval.build(backend, WISH, layer.source(5, 400));
    await assertRejects(() => built, CancelledError);
  } finally {
    indexes.clusterKeys = clusterKeys;
  }
  assertEquals(backend.allocatedBytes(), before);
});

onLayers("nothing stays of an index whose tail was damaged", TOKENS, async (layer) => {
  const { backend, kv } = layer;
  const retrieval = await LayerRetrieval.build(backend, WISH, layer.source(5, 400));
  const { index, tail } = structuredClone(retrieval.save());
  retrieval.close();
  const before = backend.allocatedBytes();
  const damaged = { index, tail: { ...tail!, count: -1 } };
  const at = { kv, heads: HEADS };
  await assertRejects(() => LayerRetrieval.load(backend, WISH, damaged, at), RangeError);
  assertEquals(backend.allocatedBytes(), before);
});

onLayers("an append that was stopped leaves no keys in the tail", TOKENS, async (layer) => {
  const { backend, kv } = layer;
  const { indexes } = backend as { indexes: { extendGraph: IndexOperations["extendGraph"] } };
  const { extendGraph } = indexes;
  const wish = { ...WISH, index: { kind: "graph" } } as const;
  const [stopped, other] = [
    await LayerRetrieval.build(backend, wish, layer.source(5, 200)),
    await LayerRetrieval.build(backend, wish, layer.source(5, 200)),
  ];
  const clusters = stopped.tailClusters;
  indexes.extendGraph = () => {
    throw new CancelledError("stopped");
  };
  try {
    await assertRejects(() => stopped.append(kv, 390), CancelledError);
  } finally {
    indexes.extendGraph = extendGraph;
  }
  assertEquals([stopped.end, stopped.tailClusters], [200, clusters]);
  const nothing = Array.from({ length: HEADS }, () => []);
  const tailOf = async (some: LayerRetrieval) => await some.tail(layer.query(7, 10), nothing);
  assertEquals(await tailOf(stopped), await tailOf(other));
  for (const some of [stopped, other]) await some.append(kv, 300);
  assertEquals(await tailOf(stopped), await tailOf(other));
});
