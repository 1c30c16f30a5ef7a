/** Cases of clusterKeys, searchClusters and clusterTail. */
import type { KvDType } from "../../ffi/backend.ts";
import {
  apartKeys,
  chanceCase,
  chanceListed,
  chanceSizes,
  type ClusterCase,
  clusteredKeys,
  type Draw,
  integers,
  madeClusters,
  membersOf,
  normals,
  partOf,
} from "../kernels/cluster_data.ts";
import type { Scope } from "../kernels/scope.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const DTYPES: readonly KvDType[] = ["f32", "bf16", "int8"];
const SHAPE = { start: 250, nodes: 420, kvHeads: 2, group: 3, dim: 20, count: 300 } as const;

/** All of them. */
export function clusterCases(): Case[] {
  return [...DTYPES.flatMap(casesOf), cancelled()];
}

function casesOf(dtype: KvDType): Case[] {
  return [
    {
      name: `cluster_keys, ${dtype}`,
      tolerance: TOLERANCE.f32,
      work: (scope, random) => cluster(scope, random, dtype),
    },
    {
      name: `cluster_search, ${dtype}`,
      tolerance: 0,
      work: (scope, random) => search(scope, random, dtype),
    },
    {
      name: `cluster_tail, ${dtype}`,
      tolerance: TOLERANCE.f32,
      work: (scope, random) => tail(scope, random, dtype),
    },
  ];
}

async function cluster(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const shape = { ...SHAPE, kvHeads: 1, dim: 40, dtype };
  const { keys, count } = await apartKeys(scope, random, shape);
  const { centroids, valueSums, sizes, clusterOf } = await madeClusters(scope, keys, count, 2);
  return [
    { name: "centroids", values: centroids, width: 40 },
    { name: "value sums", values: valueSums, width: 40, floor: 10 },
    { name: "sizes", values: Float32Array.from(sizes), width: count },
    { name: "clusters", values: Float32Array.from(clusterOf), width: keys.nodes },
  ];
}

async function search(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const { keys, clusters, rows } = await drawnCase(scope, random, dtype, integers);
  const members = membersOf(clusters, keys);
  const options = { budget: 90, k: 40 };
  const { indexes } = scope.backend;
  const found = await indexes.searchClusters(rows, keys, clusters, members, options);
  return [
    { name: "keys", values: Float32Array.from(found.keys), width: options.k },
    { name: "scores", values: found.scores, width: options.k },
    { name: "scanned", values: Float32Array.from(found.scanned), width: found.scanned.length },
  ];
}

async function tail(scope: Scope, random: Random, dtype: KvDType): Promise<Outcome[]> {
  const { keys, clusters, rows } = await drawnCase(scope, random, dtype, normals);
  const listed = chanceListed(random, keys, clusters, rows);
  const { indexes } = scope.backend;
  const { out, lse } = await indexes.clusterTail(rows, keys, clusters, listed, 0.3);
  return [
    { name: "out", values: out, width: SHAPE.dim, floor: 1 },
    { name: "lse", values: lse, width: 1, floor: 1 },
  ];
}

function cancelled(): Case {
  return {
    name: "cluster_keys, cancelled",
    tolerance: 0,
    isCancelled: true,
    work: async (scope, random) => {
      const shape = { start: 0, nodes: 8000, kvHeads: 1, dim: 64, dtype: "f32" } as const;
      const keys = await clusteredKeys(scope, random, shape, normals);
      const part = {
        centroids: new Float32Array(500 * shape.dim),
        valueSums: new Float32Array(500 * shape.dim),
        sizes: new Int32Array(500),
        clusterOf: new Int32Array(shape.nodes),
      };
      const range = { kvHead: 0, start: 0, end: shape.nodes, iterations: 50 };
      await scope.backend.indexes.clusterKeys(keys.kv, range, part, scope.backend.control());
      return [];
    },
  };
}

/** Centroids and sums need not be those of the keys. */
function drawnCase(
  scope: Scope,
  random: Random,
  dtype: KvDType,
  draw: Draw,
): Promise<ClusterCase> {
  return chanceCase(scope, random, { ...SHAPE, dtype }, draw, (keys) => {
    const clusters = chanceSizes(random, keys, SHAPE.count);
    for (let kvHead = 0; kvHead < SHAPE.kvHeads; kvHead++) {
      const { centroids, valueSums } = partOf(clusters, kvHead, keys);
      centroids.set(draw(random, centroids.length));
      valueSums.set(draw(random, valueSums.length));
    }
    return clusters;
  });
}
