/** Random keys in 4 bits, and rows that ask for them. */
import fc from "fast-check";
import type { KvDType } from "../../ffi/backend.ts";
import {
  type AskingRows,
  FLAT4_KEYS,
  flat4RecordBytes,
  type Flat4Records,
  type Flat4Search,
  type IndexedKeys,
} from "../../ffi/index_operations.ts";
import type { Random } from "../random.ts";
import type { Scope } from "./scope.ts";

/** Keys of an index. */
export interface Flat4Shape {
  /** First key. */
  readonly start: number;
  /** Keys of each KV head. */
  readonly nodes: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Head dimension. */
  readonly dim: number;
  /** Type of the pages. */
  readonly dtype: KvDType;
}

/** Nodes about the edges of records and groups, keys about those of pages, dimensions that no vector divides. */
export const flat4Shapes: fc.Arbitrary<Flat4Shape> = fc.record({
  start: fc.constantFrom(0, 1, 128, 255, 300),
  nodes: fc.oneof(
    fc.constantFrom(1, 2, 3, 31, 32, 33, 255, 256, 257, 511, 513),
    fc.integer({ min: 1, max: 600 }),
  ),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  dim: fc.constantFrom(4, 8, 20, 32, 64, 80, 128),
  dtype: fc.constantFrom<KvDType>("f32", "bf16", "int8"),
});

/** A cache with the keys `draw` makes, and some more behind them. */
export async function indexedKeys(
  scope: Scope,
  { start, nodes, kvHeads, dim, dtype }: Flat4Shape,
  draw: (count: number) => Float32Array,
): Promise<IndexedKeys> {
  const length = start + nodes + 3;
  const k = draw(length * kvHeads * dim);
  const kv = await scope.kv({ k, v: new Float32Array(k.length), length, kvHeads, dim }, dtype);
  return { kv, start, nodes };
}

/** Room for the records of all KV heads, and of `spare` records more of each; it is full of rubbish. */
export function emptyRecords({ kv, nodes }: IndexedKeys, spare = 0): Flat4Records {
  const { kvHeads, spec: { dim } } = kv.table;
  const headBytes = (Math.ceil(nodes / FLAT4_KEYS) + spare) * flat4RecordBytes(dim);
  return { bytes: new Uint8Array(kvHeads * headBytes).fill(0xa5), headBytes };
}

/** The records of all KV heads. */
export async function encoded(
  { backend }: Scope,
  keys: IndexedKeys,
  records: Flat4Records = emptyRecords(keys),
  first = 0,
): Promise<Flat4Records> {
  for (let kvHead = 0; kvHead < keys.kv.table.kvHeads; kvHead++) {
    await backend.indexes.encodeFlat4(keys, kvHead, first, records);
  }
  return records;
}

/** `count` rows that ask for any KV head, in any order. */
export function anyRows(
  random: Random,
  { kv: { table } }: IndexedKeys,
  count: number,
  draw: (count: number) => Float32Array,
): AskingRows {
  const kvHeadOf = Int32Array.from(
    { length: count },
    () => random.integer(0, table.kvHeads - 1),
  );
  return { q: Float32Array.from(draw(count * table.spec.dim)), kvHeadOf };
}

/** Row `r` alone. */
export function oneRow({ q, kvHeadOf }: AskingRows, r: number): AskingRows {
  const dim = q.length / kvHeadOf.length;
  return { q: q.slice(r * dim, (r + 1) * dim), kvHeadOf: kvHeadOf.slice(r, r + 1) };
}

/** A search for `k` keys among `candidates`, with `lse`. */
export function searchOf(k: number, candidates: number): Flat4Search {
  return { k, candidates, scale: 0.3, wantsLse: true };
}
