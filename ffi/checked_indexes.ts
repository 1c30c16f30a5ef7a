/** Checks of the arguments of {@link IndexOperations}, in front of any implementation. */
import type { BackendName, KvView } from "./backend.ts";
import {
  type Call,
  rangeError,
  requireEachInside,
  requireFinite,
  requireInside,
  requireLength,
  requireTable,
} from "./check_core.ts";
import { requirePagesOfRange } from "./check_pages.ts";
import {
  type AskingRows,
  type Clusters,
  FLAT4_KEYS,
  flat4RecordBytes,
  type Graphs,
  type IndexedKeys,
  type IndexOperations,
  type ListedKeys,
} from "./index_operations.ts";

const MAX = 2 ** 31 - 1;

/** `operations` of `backend` with checked arguments. */
export function checkedIndexes(backend: BackendName, operations: IndexOperations): IndexOperations {
  const call = (action: string): Call => ({ backend, action });
  return {
    nearestKeys(q, kvHead, kv, range, k, control) {
      const asked = call("find nearest keys");
      requireView(asked, kv);
      requireInside(asked, "kvHead", kvHead, 0, kv.table.kvHeads - 1);
      requireInside(asked, "start", range.start, 0, kv.length);
      requireInside(asked, "end", range.end, range.start, kv.length);
      requireInside(asked, "k", k, 1, MAX);
      requireWhole(asked, "q", q.length, kv.table.spec.dim);
      return operations.nearestKeys(q, kvHead, kv, range, k, control);
    },
    scoreKeys(rows, kv, listed, control) {
      const asked = call("score keys");
      requireView(asked, kv);
      requireRows(asked, rows, kv);
      requireListed(asked, listed, rows, 0, kv.length);
      return operations.scoreKeys(rows, kv, listed, control);
    },
    extendGraph(keys, graphs, options, control) {
      const asked = call("extend a graph");
      const { graph, kvHead, built, lists, width } = options;
      requireKeys(asked, keys);
      requireGraphs(asked, graphs, keys);
      requireInside(asked, "graph", graph, 0, graphs.entries.length / graphs.entryCount - 1);
      requireInside(asked, "kvHead", kvHead, 0, keys.kv.table.kvHeads - 1);
      requireInside(asked, "degree", graphs.degree, 2, MAX);
      requireInside(asked, "built", built, 0, keys.nodes);
      requireInside(asked, "width", width, 1, MAX);
      requireWhole(asked, "lists.keys", lists.keys.length, lists.length);
      return operations.extendGraph(keys, graphs, options, control);
    },
    searchGraph(rows, keys, graphs, options, control) {
      const asked = call("search a graph");
      requireKeys(asked, keys);
      requireRows(asked, rows, keys.kv);
      requireGraphs(asked, graphs, keys);
      requireLength(asked, "graphOf", options.graphOf, rows.kvHeadOf.length);
      const count = graphs.entries.length / graphs.entryCount;
      requireEachInside(asked, "graphOf", options.graphOf, count);
      requireInside(asked, "k", options.k, 1, MAX);
      requireInside(asked, "width", options.width, options.k, MAX);
      return operations.searchGraph(rows, keys, graphs, options, control);
    },
    encodeFlat4(keys, kvHead, first, records, control) {
      const asked = call("encode keys");
      requireKeys(asked, keys);
      requireInside(asked, "kvHead", kvHead, 0, keys.kv.table.kvHeads - 1);
      requireInside(asked, "first", first, 0, keys.nodes);
      if (first % FLAT4_KEYS !== 0) {
        throw rangeError(asked, `first must be a multiple of ${FLAT4_KEYS}`, first);
      }
      requireRecords(asked, keys, records);
      return operations.encodeFlat4(keys, kvHead, first, records, control);
    },
    searchFlat4(rows, keys, records, options, control) {
      const asked = call("search encoded keys");
      requireKeys(asked, keys);
      requireRows(asked, rows, keys.kv);
      requireRecords(asked, keys, records);
      requireInside(asked, "k", options.k, 1, MAX);
      requireInside(asked, "candidates", options.candidates, options.k, MAX);
      requireFinite(asked, "scale", options.scale);
      return operations.searchFlat4(rows, keys, records, options, control);
    },
    clusterKeys(kv, range, part, control) {
      const asked = call("cluster keys");
      const { kvHead, start, end, iterations } = range;
      requireView(asked, kv);
      requireInside(asked, "kvHead", kvHead, 0, kv.table.kvHeads - 1);
      requireInside(asked, "start", start, 0, kv.length);
      requireInside(asked, "end", end, start, kv.length);
      requireInside(asked, "iterations", iterations, 0, MAX);
      requireInside(asked, "number of clusters", part.sizes.length, 1, MAX);
      const size = part.sizes.length * kv.table.spec.dim;
      requireLength(asked, "centroids", part.centroids, size);
      requireLength(asked, "valueSums", part.valueSums, size);
      requireLength(asked, "clusterOf", part.clusterOf, end - start);
      return operations.clusterKeys(kv, range, part, control);
    },
    searchClusters(rows, keys, clusters, lists, options, control) {
      const asked = call("search clusters");
      requireKeys(asked, keys);
      requireRows(asked, rows, keys.kv);
      requireClusters(asked, clusters, keys);
      const { kvHeads } = keys.kv.table;
      requireLength(asked, "ptr", lists.ptr, kvHeads * (clusters.capacity + 1));
      requireLength(asked, "members", lists.members, kvHeads * clusters.nodeCapacity);
      requireInside(asked, "budget", options.budget, 1, MAX);
      requireInside(asked, "k", options.k, 1, MAX);
      return operations.searchClusters(rows, keys, clusters, lists, options, control);
    },
    clusterTail(rows, keys, clusters, listed, scale, control) {
      const asked = call("estimate a tail");
      requireKeys(asked, keys);
      requireRows(asked, rows, keys.kv);
      requireClusters(asked, clusters, keys);
      requireListed(asked, listed, rows, keys.start, keys.start + keys.nodes);
      requireFinite(asked, "scale", scale);
      return operations.clusterTail(rows, keys, clusters, listed, scale, control);
    },
  };
}

function requireView(call: Call, kv: KvView): void {
  requireTable(call, "kv", kv.table);
  requireInside(call, "kv.length", kv.length, 0, MAX);
}

function requireKeys(call: Call, { kv, start, nodes }: IndexedKeys): void {
  requireView(call, kv);
  requireInside(call, "start", start, 0, kv.length);
  requireInside(call, "nodes", nodes, 0, kv.length - start);
  for (let kvHead = 0; kvHead < kv.table.kvHeads; kvHead++) {
    requirePagesOfRange(call, kv.table, kvHead, start, start + nodes);
  }
}

function requireRows(call: Call, { q, kvHeadOf }: AskingRows, { table }: KvView): void {
  requireLength(call, "q", q, kvHeadOf.length * table.spec.dim);
  requireEachInside(call, "kvHeadOf", kvHeadOf, table.kvHeads);
}

function requireListed(
  call: Call,
  { ptr, keys }: ListedKeys,
  { kvHeadOf }: AskingRows,
  first: number,
  end: number,
): void {
  requireLength(call, "ptr", ptr, kvHeadOf.length + 1);
  for (let r = 0; r <= kvHeadOf.length; r++) {
    requireInside(call, `ptr[${r}]`, ptr[r]!, r === 0 ? 0 : ptr[r - 1]!, keys.length);
  }
  const i = keys.findIndex((key) => key < first || key >= end);
  if (i >= 0) throw rangeError(call, `keys[${i}] must be in ${first} to ${end - 1}`, keys[i]);
}

function requireGraphs(call: Call, graphs: Graphs, { nodes }: IndexedKeys): void {
  const { neighbours, parents, entries, capacity, degree, entryCount } = graphs;
  requireInside(call, "degree", degree, 1, MAX);
  requireInside(call, "entryCount", entryCount, 1, MAX);
  requireInside(call, "nodes", nodes, 0, capacity);
  requireWhole(call, "entries", entries.length, entryCount);
  requireLength(call, "parents", parents, entries.length / entryCount * capacity);
  requireLength(call, "neighbours", neighbours, parents.length * degree);
}

function requireRecords(
  call: Call,
  { kv: { table }, nodes }: IndexedKeys,
  { bytes, headBytes }: { readonly bytes: Uint8Array; readonly headBytes: number },
): void {
  const needed = Math.ceil(nodes / FLAT4_KEYS) * flat4RecordBytes(table.spec.dim);
  requireInside(call, "bytes of a KV head", headBytes, needed, Number.MAX_SAFE_INTEGER);
  requireLength(call, "records", bytes, table.kvHeads * headBytes);
}

function requireClusters(call: Call, clusters: Clusters, { kv: { table }, nodes }: IndexedKeys) {
  const { centroids, valueSums, sizes, clusterOf, count, capacity, nodeCapacity } = clusters;
  const { kvHeads, spec: { dim } } = table;
  requireInside(call, "number of clusters", count, 0, capacity);
  requireInside(call, "nodes", nodes, 0, nodeCapacity);
  requireLength(call, "centroids", centroids, kvHeads * capacity * dim);
  requireLength(call, "valueSums", valueSums, kvHeads * capacity * dim);
  requireLength(call, "sizes", sizes, kvHeads * capacity);
  requireLength(call, "clusterOf", clusterOf, kvHeads * nodeCapacity);
}

function requireWhole(call: Call, name: string, length: number, part: number): void {
  if (part >= 1 && length % part === 0) return;
  throw rangeError(call, `the length of ${name} must be a multiple of ${part}`, length);
}
