/** Graphs of the cpu backend do not depend on the number of threads. */
import { openBackend } from "../../ffi/open.ts";
import { Random } from "../random.ts";
import { buildGraph, farQueries, searchGraph } from "./graph_fixture.ts";
import { sameOnThreads } from "./on_threads.ts";
import { Scope } from "./scope.ts";

const [NODES, DIM] = [3000, 20];
const SHAPE = {
  ...{ degree: 12, width: 24, entryCount: 3, listRows: 400, listLength: 12 },
  steps: [2000, NODES],
};

sameOnThreads(
  "extendGraph() and searchGraph() give the same with any number of threads",
  [3, 0],
  buildAndSearch,
);

async function buildAndSearch(threads: number): Promise<unknown> {
  using scope = new Scope(await openBackend({ backend: "cpu", threads, compute: "f32" }));
  const { k, q } = farQueries(new Random(5), NODES, SHAPE.listRows + 9, DIM);
  const kv = await scope.kv({ k, v: k, length: NODES, kvHeads: 1, dim: DIM });
  const graphs = await buildGraph(scope, kv, 0, q, SHAPE);
  const rows = q.slice(SHAPE.listRows * DIM);
  const keys = { kv, start: 0, nodes: NODES };
  return { graphs, found: await searchGraph(scope, keys, graphs, rows, { width: 30, k: 20 }) };
}
