/** The index of 4-bit keys on one thread and on several. */
import { openBackend } from "../../ffi/open.ts";
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
