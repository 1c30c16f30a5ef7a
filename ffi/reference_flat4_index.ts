/** The index of 4-bit keys over the pages of the reference backend. */
import { encodeFlat4, type Nodes, searchFlat4 } from "../kernels/reference/flat4.ts";
import { readKv } from "../kernels/reference/pages.ts";
import type { Steps } from "../kernels/reference/steps.ts";
import { rangeError } from "./check_core.ts";
import type {
  AskingRows,
  Flat4Records,
  Flat4Search,
  FoundKeys,
  IndexedKeys,
  IndexOperations,
} from "./index_operations.ts";
import type { ReferenceTable } from "./reference_pages.ts";
import { run } from "./reference_run.ts";

type Found = FoundKeys & { readonly lse: Float32Array<ArrayBuffer> | null };

/** The operations. Arguments are not checked. */
export const referenceFlat4: Pick<IndexOperations, "encodeFlat4" | "searchFlat4"> = {
  async encodeFlat4(keys, kvHead, first, records, control) {
    const nodes = nodesOf(keys, kvHead);
    const { k } = readKv(nodes.kv, nodes.start + first, nodes.nodes - first);
    const value = k.find((x) => !Number.isFinite(x));
    if (value !== undefined) {
      throw rangeError({ action: "encode keys" }, "keys must be finite", value);
    }
    await run(encodeFlat4(nodes, first, recordsOf(records, kvHead)), control);
  },

  async searchFlat4(rows, keys, records, options, control) {
    const count = rows.kvHeadOf.length;
    const found = {
      keys: new Int32Array(count * options.k).fill(-1),
      scores: new Float32Array(count * options.k).fill(-Infinity),
      scanned: new Int32Array(count),
      lse: options.wantsLse ? new Float32Array(count) : null,
    };
    await run(searchRows(rows, keys, records, options, found), control);
    return found;
  },
};

function* searchRows(
  { q, kvHeadOf }: AskingRows,
  keys: IndexedKeys,
  records: Flat4Records,
  { candidates, k, scale }: Flat4Search,
  found: Found,
): Steps {
  const { dim } = keys.kv.table.spec;
  for (const [r, kvHead] of kvHeadOf.entries()) {
    const asking = { q: q.subarray(r * dim, (r + 1) * dim), candidates, k, scale };
    const row = searchFlat4(nodesOf(keys, kvHead), recordsOf(records, kvHead), asking);
    found.keys.set(row.keys, r * k);
    found.scores.set(row.scores, r * k);
    found.scanned[r] = row.scanned;
    if (found.lse) found.lse[r] = row.lse;
    yield;
  }
}

function nodesOf({ kv: { table }, start, nodes }: IndexedKeys, kvHead: number): Nodes {
  return { kv: (table as ReferenceTable).heads()[kvHead]!, start, nodes };
}

function recordsOf({ bytes, headBytes }: Flat4Records, kvHead: number): Uint8Array {
  return bytes.subarray(kvHead * headBytes, (kvHead + 1) * headBytes);
}
