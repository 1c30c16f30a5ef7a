/** The index of 4-bit keys on one thread and on several. */
import { openBackend } from "../../ffi/open.ts";
import { FLAT4_KEYS } from "../../ffi/index_operations.ts";
import { Random } from "../random.ts";
import { anyRows, encoded, indexedKeys, searchOf } from "./flat4_data.ts";
import { sameOnThreads } from "./on_threads.ts";
import { Scope } from "./scope.ts";

sameOnThreads(
  "searchFlat4() and encodeFlat4() give the same on any number of threads",
  [2, 3, 0],
  found,
);

/** Several spans of records, of which the last is not whole. */
async function found(threads: number) {
  using scope = new Scope(await openBackend({ backend: "cpu", threads }));
  const random = new Random(8);
  const shape = { start: 9, nodes: 9001, kvHeads: 2, dim: 16, dtype: "bf16" } as const;
  const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
  const rows = anyRows(random, keys, 9, (count) => random.normals(count));
  const records = await encoded(scope, keys);
  const search = await scope.backend.indexes.searchFlat4(rows, keys, records, searchOf(30, 70));
  return { records, search };
}

/** A span of one thread is long enough for a sample of its records (one of 16), those of several threads are not. */
const LONG = { start: 3, nodes: 34_000, kvHeads: 1, dim: 4, dtype: "f32" } as const;

const PLACES = [["anywhere", 1], ["in the sample", 9], ["not in the sample", 0.1]] as const;
for (const [where, size] of PLACES) {
  sameOnThreads(
    `searchFlat4() finds the best keys of a long span where they lie ${where}`,
    [2, 3],
    (threads) => foundInLong(threads, size),
  );
}

/** Keys of sampled records are `size` times as long as others. */
async function foundInLong(threads: number, size: number) {
  using scope = new Scope(await openBackend({ backend: "cpu", threads }));
  const random = new Random(9);
  const keys = await indexedKeys(scope, LONG, (count) => {
    const record = (i: number) => Math.floor((i / LONG.dim - LONG.start) / FLAT4_KEYS);
    return random.normals(count).map((x, i) => record(i) % 16 === 0 ? size * x : x);
  });
  const rows = anyRows(random, keys, 5, (count) => random.normals(count));
  const records = await encoded(scope, keys);
  return await scope.backend.indexes.searchFlat4(rows, keys, records, searchOf(30, 70));
}
