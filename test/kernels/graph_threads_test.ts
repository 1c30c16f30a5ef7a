/** Graphs of the cpu backend do not depend on the number of threads. */
import { assertEquals } from "@std/assert";
import { LibraryError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { Random } from "../random.ts";
import { buildGraph, farQueries, searchGraph } from "./graph_fixture.ts";
import { Scope } from "./scope.ts";

const [NODES, DIM] = [3000, 20];
const SHAPE = {
  ...{ degree: 12, width: 24, entryCount: 3, listRows: 400, listLength: 12 },
  steps: [2000, NODES],
};

Deno.test({
  name: "extendGraph() and searchGraph() give the same with one thread and with three",
  ignore: !await hasLibrary(),
  fn: async () => {
    const one = await buildAndSearch(1);
    assertEquals(one, await buildAndSearch(3));
    assertEquals(one, await buildAndSearch(0));
  },
});

async function buildAndSearch(threads: number): Promise<unknown> {
  using scope = new Scope(await openBackend({ backend: "cpu", threads, compute: "f32" }));
  const { k, q } = farQueries(new Random(5), NODES, SHAPE.listRows + 9, DIM);
  const kv = await scope.kv({ k, v: k, length: NODES, kvHeads: 1, dim: DIM });
  const graphs = await buildGraph(scope, kv, 0, q, SHAPE);
  const rows = q.slice(SHAPE.listRows * DIM);
  const keys = { kv, start: 0, nodes: NODES };
  return { graphs, found: await searchGraph(scope, keys, graphs, rows, { width: 30, k: 20 }) };
}

async function hasLibrary(): Promise<boolean> {
  try {
    return (await openBackend({ backend: "cpu" })).info().available.length > 0;
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    console.log(`The test of threads is skipped as there is no cpu backend: ${error.message}`);
    return false;
  }
}
