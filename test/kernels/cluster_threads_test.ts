/** Clusters of the cpu backend, and what is found in them, do not depend on the number of threads. */
import { openBackend } from "../../ffi/open.ts";
import { Random } from "../random.ts";
import {
  askingRows,
  chanceListed,
  clusteredKeys,
  madeClusters,
  membersOf,
  normals,
} from "./cluster_data.ts";
import { sameOnThreads } from "./on_threads.ts";
import { Scope } from "./scope.ts";

const SHAPE = { start: 9, nodes: 3000, kvHeads: 2, group: 4, dim: 36, dtype: "bf16" } as const;

sameOnThreads(
  "clusterKeys(), searchClusters() and clusterTail() give the same with any number of threads",
  [3, 0],
  clusterAndAsk,
);

async function clusterAndAsk(threads: number): Promise<unknown> {
  using scope = new Scope(await openBackend({ backend: "cpu", threads, compute: "f32" }));
  const random = new Random(5);
  const { indexes } = scope.backend;
  const keys = await clusteredKeys(scope, random, SHAPE, normals);
  const clusters = await madeClusters(scope, keys, 700, 3);
  const rows = askingRows(random, SHAPE, normals);
  const members = membersOf(clusters, keys);
  const options = { budget: 400, k: 50 };
  const found = await indexes.searchClusters(rows, keys, clusters, members, options);
  const listed = chanceListed(random, keys, clusters, rows);
  const tail = await indexes.clusterTail(rows, keys, clusters, listed, 0.2);
  return { clusters, found, tail };
}
