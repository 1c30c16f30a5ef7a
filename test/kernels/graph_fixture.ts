/** Graphs over keys for tests: their building, and what must hold of them. */
import type { KvView } from "../../ffi/backend.ts";
import {
  type FoundKeys,
  type Graphs,
  type GraphSearch,
  type IndexedKeys,
  NO_NODE,
} from "../../ffi/index_operations.ts";
import type { Random } from "../random.ts";
import type { Scope } from "./scope.ts";

/** How a graph is made. */
export interface GraphShape {
  /** Most links of a node. */
  readonly degree: number;
  /** Width of the search for each new node. */
  readonly width: number;
  /** Nodes at which searches begin. */
  readonly entryCount: number;
  /** Rows whose nearest keys are the lists. */
  readonly listRows: number;
  /** Keys of a list. */
  readonly listLength: number;
  /** Nodes after each call, rising; the last is all of them. */
  readonly steps: readonly number[];
}

/** A graph of one KV head, not built. */
export function emptyGraph(nodes: number, { degree, entryCount }: GraphShape): Graphs {
  return {
    neighbours: new Uint32Array(nodes * degree).fill(NO_NODE),
    parents: new Uint32Array(nodes).fill(NO_NODE),
    entries: new Int32Array(entryCount).fill(-1),
    ...{ capacity: nodes, degree, entryCount },
  };
}

/** The graph of KV head 0 and keys `start ..`; only the first call has lists. */
export async function buildGraph(
  { backend: { indexes } }: Scope,
  kv: KvView,
  start: number,
  q: Float32Array<ArrayBuffer>,
  shape: GraphShape,
): Promise<Graphs> {
  const graphs = emptyGraph(shape.steps.at(-1)!, shape);
  const { width, listLength: length, listRows } = shape;
  let built = 0;
  for (const nodes of shape.steps) {
    const some = q.slice(0, built === 0 ? listRows * kv.table.spec.dim : 0);
    const range = { start, end: start + nodes };
    const { keys } = await indexes.nearestKeys(some, 0, kv, range, length);
    const options = { graph: 0, kvHead: 0, built, width, lists: { keys, length } };
    await indexes.extendGraph({ kv, start, nodes }, graphs, options);
    built = nodes;
  }
  return graphs;
}

/** Searches graph 0 for rows of KV head 0. */
export async function searchGraph(
  { backend: { indexes } }: Scope,
  keys: IndexedKeys,
  graphs: Graphs,
  q: Float32Array<ArrayBuffer>,
  { width, k }: Pick<GraphSearch, "width" | "k">,
): Promise<FoundKeys> {
  const zeros = new Int32Array(q.length / keys.kv.table.spec.dim);
  const rows = { q, kvHeadOf: zeros };
  return await indexes.searchGraph(rows, keys, graphs, { graphOf: zeros, width, k });
}

/** Links of node `node` of graph 0. */
export function linksOf({ neighbours, degree }: Graphs, node: number): number[] {
  return [...neighbours.subarray(node * degree, (node + 1) * degree)].filter((x) => x !== NO_NODE);
}

/** How many nodes the entries lead to. */
export function reachedNodes(graphs: Graphs): number {
  const reached = new Set([...graphs.entries].filter((entry) => entry >= 0));
  for (const node of reached) for (const next of linksOf(graphs, node)) reached.add(next);
  return reached.size;
}

/** Share of the wanted keys that were found. */
export function recall(found: Int32Array, wanted: Int32Array, k: number): number {
  let hits = 0;
  for (let first = 0; first < wanted.length; first += k) {
    const row = new Set(found.subarray(first, first + k));
    hits += wanted.subarray(first, first + k).filter((key) => row.has(key)).length;
  }
  return hits / wanted.length;
}

/**
 * Keys around `centres` points and queries that look for a few of these at once from far away, as attention does: nearest
 * keys of a query are not near to each other.
 */
export function farQueries(
  random: Random,
  keys: number,
  queries: number,
  dim: number,
  centres = 32,
): { readonly k: Float32Array; readonly q: Float32Array<ArrayBuffer> } {
  const points = random.normals(centres * dim, 2);
  const shift = random.normals(dim, 3);
  const k = random.normals(keys * dim);
  for (let x = 0; x < keys; x++) {
    const centre = random.integer(0, centres - 1) * dim;
    for (let i = 0; i < dim; i++) k[x * dim + i]! += points[centre + i]! + shift[i]!;
  }
  const q = random.normals(queries * dim, 0.5) as Float32Array<ArrayBuffer>;
  for (let row = 0; row < queries; row++) {
    for (let times = 0; times < 3; times++) {
      const centre = random.integer(0, centres - 1) * dim;
      for (let i = 0; i < dim; i++) q[row * dim + i]! += points[centre + i]! - shift[i]! / 6;
    }
  }
  return { k, q };
}
