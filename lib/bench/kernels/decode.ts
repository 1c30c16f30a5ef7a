/** Attention of one new token: over all keys, and over two ranges and gathered keys. */
import type { KeyPlan } from "../../../ffi/backend.ts";
import { attendedKeys, lowerRow } from "../../attention/lower_row.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import { attentionTensors, kvBytes, pageBytes, rowBytes } from "../random_cache.ts";
import type { RandomRows } from "../random_rows.ts";
import type { HeadKind, Sizes } from "../sizes.ts";

/** Keys at the start that sparse decode always sees. */
const SINK = 16;
/** Of the other keys it sees, one in so many is recent. */
const RECENT = 4;
/** Sets of gathered keys that repetitions take in turn, so that no cache holds what they read. */
const KEY_SETS = 16;

/** Dense decode of every length, kind of heads and group; caches of many heads only of the longest. */
export function denseDecode(sizes: Sizes): BenchCase[] {
  const { tokens, kinds, groups, compared, decodeKvHeads: [few, ...many] } = sizes;
  const usual = tokens.flatMap((tokens) =>
    kinds.flatMap((kind) =>
      groups.map((group) => denseCase(tokens, kind, group, few!, compared.decode.includes(tokens)))
    )
  );
  const large = many.flatMap((kvHeads) =>
    largeKinds(kinds).flatMap((kind) =>
      groups.map((group) => denseCase(tokens.at(-1)!, kind, group, kvHeads, false))
    )
  );
  return [...usual, ...large];
}

/** Sparse decode: the heads of a group share their keys, as an index that is asked once a group gives them. */
export function sparseDecode(sizes: Sizes): BenchCase[] {
  const { sparseTokens, kinds, groups, keyShares, decodeKvHeads } = sizes;
  return sparseTokens.flatMap((tokens) =>
    kinds.filter(({ dtype }) => dtype === "bf16").flatMap((kind) =>
      groups.flatMap((group) =>
        keyShares.map((share) => sparseCase(tokens, kind, group, decodeKvHeads[0]!, share))
      )
    )
  );
}

/** The largest bf16 heads. */
function largeKinds(kinds: readonly HeadKind[]): HeadKind[] {
  const bf16 = kinds.filter(({ dtype }) => dtype === "bf16");
  const most = Math.max(...bf16.map(({ dim }) => dim));
  return bf16.filter(({ dim }) => dim === most);
}

function denseCase(
  tokens: number,
  kind: HeadKind,
  group: number,
  kvHeads: number,
  isCompared: boolean,
): BenchCase {
  const shape: CaseShape = { ...kind, tokens, heads: kvHeads * group, kvHeads, share: 1 };
  const { heads, dim } = shape;
  const plans = new Array<KeyPlan>(heads).fill(lowerRow({ kind: "dense" }, tokens - 1));
  return {
    ...decodeCase(shape),
    kernel: "dense decode",
    peers: isCompared ? { kind: "decode", tokens, heads, kvHeads, dim } : null,
    open: async (bench) => {
      const tensors = await attentionTensors(bench, shape, 1);
      return tensors.opened(runOf(bench, tensors, [plans]));
    },
  };
}

function sparseCase(
  tokens: number,
  kind: HeadKind,
  group: number,
  kvHeads: number,
  wanted: number,
): BenchCase {
  const heads = kvHeads * group;
  const keys = Math.min(tokens, Math.max(SINK + RECENT, Math.round(wanted * tokens)));
  const shape: CaseShape = { ...kind, tokens, heads, kvHeads, share: keys / tokens };
  const dense = new Array<KeyPlan>(heads).fill(lowerRow({ kind: "dense" }, tokens - 1));
  return {
    ...decodeCase(shape),
    kernel: "sparse decode",
    peers: null,
    open: async (bench) => {
      const tensors = await attentionTensors(bench, shape, 1);
      const sets = Array.from({ length: KEY_SETS }, () => randomKeys(bench.data, shape, keys));
      return tensors.opened(runOf(bench, tensors, sets), runOf(bench, tensors, [dense]));
    },
  };
}

/** What both have in common. A group reads its keys and values once. */
function decodeCase(shape: CaseShape): Omit<BenchCase, "kernel" | "open" | "peers"> {
  const { tokens, heads, dim, share } = shape;
  const dense = 4 * heads * dim * tokens;
  return {
    ...shape,
    shape: attentionText(shape),
    flops: share * dense,
    multiplies: "f32",
    denseFlops: share === 1 ? 0 : dense,
    trafficBytes: share * kvBytes(shape) + rowBytes(shape, 1),
    workingSetBytes: Math.min(1, share * KEY_SETS) * kvBytes(shape),
    memoryBytes: pageBytes(shape) + rowBytes(shape, 1),
  };
}

type Tensors = Awaited<ReturnType<typeof attentionTensors>>;

function runOf({ backend }: Bench, tensors: Tensors, sets: readonly (readonly KeyPlan[])[]) {
  const { q, scale, kv, out } = tensors;
  let turn = 0;
  return (control: Parameters<typeof backend.attendKeys>[5]) =>
    backend.attendKeys(q, scale, kv, sets[turn++ % sets.length]!, out, control);
}

/** Plans of all heads; those of a group share one. */
function randomKeys(data: RandomRows, { tokens, heads, kvHeads }: CaseShape, keys: number) {
  const window = Math.ceil((keys - SINK) / RECENT);
  const topK = keys - SINK - window;
  const plans = Array.from({ length: kvHeads }, () => {
    const retrieved = data.subset(topK, SINK, tokens - window);
    const options = { sink: SINK, window, index: "random", topK, retrieved };
    return lowerRow({ kind: "staticPlusRetrieved", ...options }, tokens - 1);
  });
  for (const plan of plans) checkKeys(plan, keys);
  return Array.from({ length: heads }, (_, head) => plans[Math.floor(head * kvHeads / heads)]!);
}

function checkKeys(plan: KeyPlan, keys: number): void {
  if (attendedKeys(plan) === keys) return;
  throw new RangeError(
    `Cannot measure sparse decode as a head must see ${keys} keys: current value is ${
      attendedKeys(plan)
    }`,
  );
}
