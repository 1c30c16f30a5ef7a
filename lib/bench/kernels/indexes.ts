/** Searches of indexes over keys for one new token; beside them a scan of all keys. */
import { KV_BYTES } from "../../../ffi/elements.ts";
import {
  type AskingRows,
  FLAT4_KEYS,
  flat4RecordBytes,
  type Flat4Records,
  type IndexedKeys,
} from "../../../ffi/index_operations.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import { attentionTensors, pageBytes, rowBytes } from "../random_cache.ts";
import type { Sizes } from "../sizes.ts";

/** Keys to find, and those that are scored exactly. */
const [K, CANDIDATES] = [100, 200];

/** One search of each index for every group, in bf16. */
export function indexSearches({ sparseTokens, kinds, groups, decodeKvHeads }: Sizes): BenchCase[] {
  const kvHeads = decodeKvHeads[0]!;
  return sparseTokens.flatMap((tokens) =>
    kinds.filter(({ dtype }) => dtype === "bf16").flatMap((kind) =>
      groups.map((group) => flat4({ ...kind, tokens, heads: kvHeads * group, kvHeads, share: 1 }))
    )
  );
}

function flat4(shape: CaseShape): BenchCase {
  const { tokens, heads, kvHeads, dim, dtype } = shape;
  const flops = 2 * heads * dim * tokens;
  const recordBytes = kvHeads * headBytesOf(shape);
  const candidateBytes = heads * Math.min(tokens, CANDIDATES) * dim * KV_BYTES[dtype];
  const trafficBytes = recordBytes + candidateBytes;
  return {
    ...shape,
    kernel: "flat4 search",
    multiplies: "f32",
    shape: attentionText(shape),
    ...{ flops, denseFlops: flops, peers: null, trafficBytes, workingSetBytes: trafficBytes },
    memoryBytes: pageBytes(shape) + rowBytes(shape, 1) + recordBytes,
    open: (bench) => openFlat4(bench, shape),
  };
}

async function openFlat4(bench: Bench, shape: CaseShape) {
  const { tokens, heads, kvHeads } = shape;
  const { backend } = bench;
  const { q, kv, scale, opened } = await attentionTensors(bench, shape, 1);
  const keys: IndexedKeys = { kv, start: 0, nodes: tokens };
  const headBytes = headBytesOf(shape);
  const records: Flat4Records = { bytes: new Uint8Array(kvHeads * headBytes), headBytes };
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    await backend.indexes.encodeFlat4(keys, kvHead, 0, records);
  }
  const all = Array.from({ length: heads }, (_, head) => head);
  const kvHeadOf = Int32Array.from(all, (head) => Math.floor(head * kvHeads / heads));
  const rows: AskingRows = { q: Float32Array.from(q.read()), kvHeadOf };
  const options = { k: K, candidates: CANDIDATES, scale, wantsLse: false };
  return opened(
    async (control) => {
      await backend.indexes.searchFlat4(rows, keys, records, options, control);
    },
    async (control) => {
      await backend.topKeys(q, 0, all, kv, 0, tokens, K, control);
    },
  );
}

function headBytesOf({ tokens, dim }: CaseShape): number {
  return Math.ceil(tokens / FLAT4_KEYS) * flat4RecordBytes(dim);
}
