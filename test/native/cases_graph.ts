/** Cases of nearestKeys, scoreKeys, extendGraph and searchGraph. */
import { type IndexedKeys, NO_NODE } from "../../ffi/index_operations.ts";
import { emptyGraph, type GraphShape, searchGraph } from "../kernels/graph_fixture.ts";
import type { Scope } from "../kernels/scope.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const [KEYS, DIM, START] = [700, 20, 250];
const NODES = KEYS - START;
const SHAPE: GraphShape = {
  ...{ degree: 9, width: 16, entryCount: 3, listRows: 40, listLength: 8 },
  steps: [NODES],
};

/** All of them. */
export function graphCases(): Case[] {
  return [
    { name: "nearest_keys", tolerance: 0, work: nearestKeys },
    { name: "score_keys", tolerance: TOLERANCE.f32, work: scoreKeys },
    { name: "graph_extend", tolerance: 0, work: extendGraph },
    { name: "graph_search", tolerance: 0, work: search },
    { name: "graph_extend, cancelled", tolerance: 0, isCancelled: true, work: cancelled },
  ];
}

async function nearestKeys(scope: Scope, random: Random): Promise<Outcome[]> {
  const { kv } = await integerKv(scope, random);
  const q = random.integers(300 * DIM, -2, 2) as Float32Array<ArrayBuffer>;
  const range = { start: 7, end: KEYS - 5 };
  const { keys, scores } = await scope.backend.indexes.nearestKeys(q, 0, kv, range, 12);
  return [
    { name: "keys", values: Float32Array.from(keys), width: 12 },
    { name: "scores", values: scores, width: 12 },
  ];
}

async function scoreKeys(scope: Scope, random: Random): Promise<Outcome[]> {
  const { kv } = await integerKv(scope, random);
  const q = random.normals(3 * DIM) as Float32Array<ArrayBuffer>;
  const rows = { q, kvHeadOf: Int32Array.of(0, 0, 0) };
  const keys = Int32Array.from({ length: 300 }, () => random.integer(0, KEYS - 1));
  const listed = { ptr: Int32Array.of(0, 0, 290, 300), keys };
  const values = await scope.backend.indexes.scoreKeys(rows, kv, listed);
  return [{ name: "scores", values, width: 300, floor: 1 }];
}

async function extendGraph(scope: Scope, random: Random): Promise<Outcome[]> {
  const keys = await integerKv(scope, random);
  const { listLength: length, listRows, width } = SHAPE;
  const lists = {
    keys: Int32Array.from({ length: listRows * length }, () => random.integer(START, KEYS - 1)),
    length,
  };
  const graphs = emptyGraph(NODES, SHAPE);
  const options = { graph: 0, kvHead: 0, built: 0, lists, width };
  await scope.backend.indexes.extendGraph(keys, graphs, options);
  const links = Float32Array.from(graphs.neighbours, (node) => node === NO_NODE ? -1 : node);
  return [
    { name: "neighbours", values: links, width: SHAPE.degree },
    { name: "parents", values: Float32Array.from(graphs.parents), width: NODES },
    { name: "entries", values: Float32Array.from(graphs.entries), width: SHAPE.entryCount },
  ];
}

async function search(scope: Scope, random: Random): Promise<Outcome[]> {
  const keys = await integerKv(scope, random);
  const graphs = emptyGraph(NODES, SHAPE);
  // Also links behind the last node, and rows that are not full.
  for (let i = 0; i < graphs.neighbours.length; i++) {
    if (i % SHAPE.degree < 7) graphs.neighbours[i] = random.integer(0, NODES + 20);
  }
  graphs.entries.set([5, 17]);
  const q = random.integers(4 * DIM, -2, 2) as Float32Array<ArrayBuffer>;
  const found = await searchGraph(scope, keys, graphs, q, { width: 30, k: 10 });
  return [
    { name: "keys", values: Float32Array.from(found.keys), width: 10 },
    { name: "scores", values: found.scores, width: 10 },
    { name: "scanned", values: Float32Array.from(found.scanned), width: 4 },
  ];
}

async function cancelled(scope: Scope, random: Random): Promise<Outcome[]> {
  const nodes = 4000;
  const k = random.normals(nodes * DIM);
  const kv = await scope.kv({ k, v: k, length: nodes, kvHeads: 1, dim: DIM });
  const lists = { keys: new Int32Array(), length: 1 };
  const options = { graph: 0, kvHead: 0, built: 0, lists, width: 200 };
  const graphs = emptyGraph(nodes, SHAPE);
  const { backend } = scope;
  await backend.indexes.extendGraph({ kv, start: 0, nodes }, graphs, options, backend.control());
  return [];
}

async function integerKv(scope: Scope, random: Random): Promise<IndexedKeys> {
  const k = random.integers(KEYS * DIM, -2, 2);
  const kv = await scope.kv({ k, v: k, length: KEYS, kvHeads: 1, dim: DIM });
  return { kv, start: START, nodes: NODES };
}
