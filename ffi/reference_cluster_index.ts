/** Clusters of keys over the pages of the reference backend. */
import {
  type Asking,
  type ClusterArrays,
  clusterKeys,
  clusterTail,
  searchClusters,
} from "../kernels/reference/clusters.ts";
import { readKv } from "../kernels/reference/pages.ts";
import type { Steps } from "../kernels/reference/steps.ts";
import { rangeError } from "./check_core.ts";
import type { AskingRows, Clusters, IndexedKeys, IndexOperations } from "./index_operations.ts";
import type { ReferenceTable } from "./reference_pages.ts";
import { run } from "./reference_run.ts";

/** The operations. Arguments are not checked. */
export const referenceClusters: Pick<
  IndexOperations,
  "clusterKeys" | "searchClusters" | "clusterTail"
> = {
  async clusterKeys({ table }, range, part, control) {
    const kv = (table as ReferenceTable).heads()[range.kvHead]!;
    const { k } = readKv(kv, range.start, range.end - range.start);
    const value = k.find((x) => !Number.isFinite(x));
    if (value !== undefined) {
      throw rangeError({ action: "cluster keys" }, "keys must be finite", value);
    }
    await run(clusterKeys(kv, range, part), control);
  },

  async searchClusters(rows, keys, clusters, { ptr, members }, { budget, k }, control) {
    const count = rows.kvHeadOf.length;
    const found = {
      keys: new Int32Array(count * k).fill(-1),
      scores: new Float32Array(count * k).fill(-Infinity),
      scanned: new Int32Array(count),
    };
    const { capacity, nodeCapacity } = clusters;
    const steps = eachRow(rows, keys, (asking, r, kvHead) => {
      const first = kvHead * (capacity + 1);
      const membersOf = (c: number) =>
        members.subarray(
          kvHead * nodeCapacity + ptr[first + c]!,
          kvHead * nodeCapacity + ptr[first + c + 1]!,
        );
      const own = clustersOf(clusters, kvHead, keys);
      const best = searchClusters(asking, own, membersOf, { budget, k });
      found.keys.set(best.keys, r * k);
      found.scores.set(best.scores, r * k);
      found.scanned[r] = best.scanned;
    });
    await run(steps, control);
    return found;
  },

  async clusterTail(rows, keys, clusters, listed, scale, control) {
    const count = rows.kvHeadOf.length;
    const { dim } = keys.kv.table.spec;
    const tail = { out: new Float32Array(count * dim), lse: new Float32Array(count) };
    const steps = eachRow(rows, keys, (asking, r, kvHead) => {
      const own = clustersOf(clusters, kvHead, keys);
      const some = listed.keys.subarray(listed.ptr[r]!, listed.ptr[r + 1]!);
      const out = tail.out.subarray(r * dim, (r + 1) * dim);
      tail.lse[r] = clusterTail(asking, scale, own, some, out);
    });
    await run(steps, control);
    return tail;
  },
};

function* eachRow(
  { q, kvHeadOf }: AskingRows,
  { kv: { table }, start }: IndexedKeys,
  answer: (asking: Asking, row: number, kvHead: number) => void,
): Steps {
  const heads = (table as ReferenceTable).heads();
  const { dim } = table.spec;
  for (const [r, kvHead] of kvHeadOf.entries()) {
    answer({ q: q.subarray(r * dim, (r + 1) * dim), kv: heads[kvHead]!, start }, r, kvHead);
    yield;
  }
}

/** Those of one KV head. */
function clustersOf(
  { centroids, valueSums, sizes, clusterOf, count, capacity, nodeCapacity }: Clusters,
  kvHead: number,
  { nodes, kv: { table: { spec: { dim } } } }: IndexedKeys,
): ClusterArrays {
  const first = kvHead * capacity;
  const rows = (array: Float32Array) => array.subarray(first * dim, (first + count) * dim);
  return {
    centroids: rows(centroids),
    valueSums: rows(valueSums),
    sizes: sizes.subarray(first, first + count),
    clusterOf: clusterOf.subarray(kvHead * nodeCapacity, kvHead * nodeCapacity + nodes),
  };
}
