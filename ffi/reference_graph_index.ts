/** Exact scores and graphs of keys over the pages of the reference backend. */
import { extendGraph, type GrowingGraph, linksIn } from "../kernels/reference/graph.ts";
import { bestFirst } from "../kernels/reference/graph_search.ts";
import { dot } from "../kernels/reference/linear.ts";
import { nearestKeys, scoreKeys } from "../kernels/reference/nearest_keys.ts";
import { type KvHead, pageOf, readKv, slotOf } from "../kernels/reference/pages.ts";
import type { Steps } from "../kernels/reference/steps.ts";
import type { KvView } from "./backend.ts";
import { rangeError } from "./check_core.ts";
import {
  type AskingRows,
  type FoundKeys,
  type Graphs,
  type GraphSearch,
  type IndexedKeys,
  type IndexOperations,
  NO_NODE,
} from "./index_operations.ts";
import type { ReferenceTable } from "./reference_pages.ts";
import { run } from "./reference_run.ts";

/** The operations. Arguments are not checked. */
export const referenceGraph: Pick<
  IndexOperations,
  "nearestKeys" | "scoreKeys" | "extendGraph" | "searchGraph"
> = {
  async nearestKeys(q, kvHead, kv, { start, end }, k, control) {
    const head = headsOf(kv)[kvHead]!;
    requireFinite("find nearest keys", "q", q);
    finiteKeys("find nearest keys", head, start, end - start);
    const rows = q.length / head.dim;
    const found = { keys: new Int32Array(rows * k), scores: new Float32Array(rows * k) };
    await run(nearestKeys(q, head, start, end, k, found), control);
    return found;
  },

  async scoreKeys({ q, kvHeadOf }, kv, { ptr, keys }, control) {
    const heads = headsOf(kv);
    const scores = new Float32Array(keys.length);
    await run(scoreKeys(q, (row) => heads[kvHeadOf[row]!]!, ptr, keys, scores), control);
    return scores;
  },

  async extendGraph({ kv, start, nodes }, graphs, options, control) {
    const { graph, kvHead, built, lists, width } = options;
    const { capacity, degree, entryCount } = graphs;
    const first = graph * capacity;
    const head = headsOf(kv)[kvHead]!;
    const rows = finiteKeys("build a graph", head, start, nodes);
    const growing = {
      neighbours: graphs.neighbours.subarray(first * degree, (first + nodes) * degree),
      parents: graphs.parents.subarray(first, first + nodes),
      entries: graphs.entries.subarray(graph * entryCount, (graph + 1) * entryCount),
      ...{ degree, built, width },
    };
    requireBuilt(growing);
    const near = lists.keys.map((key) => key < 0 ? -1 : key - start);
    const steps = extendGraph({ rows, dim: head.dim }, growing, {
      nodes: near,
      length: lists.length,
    });
    await run(steps, control);
  },

  async searchGraph(rows, keys, graphs, options, control) {
    const count = rows.kvHeadOf.length * options.k;
    const found = {
      keys: new Int32Array(count).fill(-1),
      scores: new Float32Array(count).fill(-Infinity),
      scanned: new Int32Array(rows.kvHeadOf.length),
    };
    await run(searchRows(rows, keys, graphs, options, found), control);
    return found;
  },
};

function* searchRows(
  { q, kvHeadOf }: AskingRows,
  { kv, start, nodes }: IndexedKeys,
  graphs: Graphs,
  { graphOf, width, k }: GraphSearch,
  found: FoundKeys,
): Steps {
  const heads = headsOf(kv);
  const { entries, entryCount } = graphs;
  const isNode = (node: number) => node >= 0 && node < nodes;
  for (const [row, kvHead] of kvHeadOf.entries()) {
    const graph = graphOf[row]!;
    const { best, scanned } = bestFirst(
      (node) => linksIn(rowOf(graphs, graph, node)).filter(isNode),
      entries.subarray(graph * entryCount, (graph + 1) * entryCount).filter(isNode),
      { width, kept: width },
      scoreOf(heads[kvHead]!, q, row, start),
    );
    found.keys.set(best.slice(0, k).map(({ node }) => start + node), row * k);
    found.scores.set(best.slice(0, k).map(({ score }) => score), row * k);
    found.scanned[row] = scanned;
    yield;
  }
}

function rowOf({ neighbours, capacity, degree }: Graphs, graph: number, node: number): Uint32Array {
  const first = (graph * capacity + node) * degree;
  return neighbours.subarray(first, first + degree);
}

function scoreOf(
  head: KvHead,
  q: Float32Array,
  row: number,
  start: number,
): (node: number) => number {
  const { dim } = head;
  return (node) => dot(q, row * dim, pageOf(head, start + node).k, slotOf(head, start + node), dim);
}

function requireBuilt({ neighbours, parents, entries, degree, built }: GrowingGraph): void {
  const isBuilt = (node: number) => node >= 0 && node < built;
  const refuse = (name: string, node: number | undefined) => {
    const call = { action: "build a graph" };
    if (node !== undefined) throw rangeError(call, `${name} must be nodes that are built`, node);
  };
  const links = neighbours.subarray(0, built * degree);
  refuse("neighbours", links.find((node) => node !== NO_NODE && !isBuilt(node)));
  refuse("parents", parents.subarray(0, built).find((node) => !isBuilt(node)));
  if (built > 0) refuse("entries", entries.find((node) => node !== -1 && !isBuilt(node)));
}

function headsOf({ table }: KvView): KvHead[] {
  return (table as ReferenceTable).heads();
}

function finiteKeys(action: string, head: KvHead, start: number, count: number): Float32Array {
  const { k } = readKv(head, start, count);
  requireFinite(action, "keys", k);
  return k;
}

function requireFinite(action: string, name: string, values: Float32Array): void {
  const value = values.find((x) => !Number.isFinite(x));
  if (value !== undefined) throw rangeError({ action }, `${name} must be finite`, value);
}
