/** Cases of encodeFlat4 and searchFlat4. */
import type { AskingRows, IndexedKeys } from "../../ffi/index_operations.ts";
import { encoded, searchOf } from "../kernels/flat4_data.ts";
import type { Scope } from "../kernels/scope.ts";
import { type Outcome, TOLERANCE } from "../kernels/tolerance.ts";
import type { Random } from "../random.ts";
import type { Case } from "./record_cases.ts";

const [KEYS, KV_HEADS, DIM, START] = [5000, 2, 20, 250];
const KV_HEAD_OF = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1);

/** All of them. */
export function flat4Cases(): Case[] {
  return [
    { name: "flat4_encode and flat4_search", tolerance: 0, work: search },
    { name: "flat4_search, lse of exact scores", tolerance: TOLERANCE.f32, work: exactLse },
    { name: "flat4_search, cancelled", tolerance: 0, isCancelled: true, work: cancelled },
  ];
}

/** Keys of 16 levels and queries of signs: scores in 4 bits fall as exact ones do, and the same are equal. */
async function search(scope: Scope, random: Random): Promise<Outcome[]> {
  const keys = await indexedKeys(scope, random.integers(KEYS * KV_HEADS * DIM, -7, 8));
  const signs = random.integers(KV_HEAD_OF.length * DIM, 0, 1).map((x) => 2 * x - 1);
  const records = await encoded(scope, keys);
  const { indexes } = scope.backend;
  const found = await indexes.searchFlat4(asking(signs), keys, records, searchOf(10, 25));
  return [
    { name: "keys", values: Float32Array.from(found.keys), width: 10 },
    { name: "scores", values: found.scores, width: 10 },
    { name: "scanned", values: Float32Array.from(found.scanned), width: KV_HEAD_OF.length },
  ];
}

async function exactLse(scope: Scope, random: Random): Promise<Outcome[]> {
  const keys = await indexedKeys(scope, random.normals(KEYS * KV_HEADS * DIM));
  const rows = asking(random.normals(KV_HEAD_OF.length * DIM));
  const records = await encoded(scope, keys);
  const options = searchOf(3, keys.nodes);
  const { lse } = await scope.backend.indexes.searchFlat4(rows, keys, records, options);
  return [{ name: "lse", values: lse!, width: 1, floor: 1 }];
}

async function cancelled(scope: Scope, random: Random): Promise<Outcome[]> {
  const keys = await indexedKeys(scope, random.normals(KEYS * KV_HEADS * DIM));
  const kvHeadOf = new Int32Array(4000);
  const rows = { q: new Float32Array(kvHeadOf.length * DIM).fill(1), kvHeadOf };
  const records = await encoded(scope, keys);
  const { backend } = scope;
  await backend.indexes.searchFlat4(rows, keys, records, searchOf(10, 25), backend.control());
  return [];
}

async function indexedKeys(scope: Scope, k: Float32Array): Promise<IndexedKeys> {
  const kv = await scope.kv({ k, v: k, length: KEYS, kvHeads: KV_HEADS, dim: DIM });
  return { kv, start: START, nodes: KEYS - START };
}

function asking(q: Float32Array): AskingRows {
  return { q: Float32Array.from(q), kvHeadOf: KV_HEAD_OF };
}
