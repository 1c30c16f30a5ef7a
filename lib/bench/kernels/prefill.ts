/** Causal attention of all tokens over themselves: dense, and over a share of the tiles. */
import type { TilePlan } from "../../../ffi/backend.ts";
import { lower } from "../../attention/lower.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import { attentionTensors, kvBytes, pageBytes, rowBytes } from "../random_cache.ts";
import type { RandomRows } from "../random_rows.ts";
import type { Sizes } from "../sizes.ts";

/** Query heads; a group that is larger has one KV head. */
const HEADS = 4;
/** Tokens of a tile's side. */
const BLOCK = 64;

/** Dense prefill of every length, kind of heads and group. */
export function densePrefill({ tokens, kinds, groups, compared }: Sizes): BenchCase[] {
  return tokens.flatMap((tokens) =>
    kinds.flatMap((kind) =>
      groups.map((group) =>
        denseCase(shapeOf(tokens, kind, group, 1), compared.prefill.includes(tokens))
      )
    )
  );
}

/** Sparse prefill: random tiles, others for each head. */
export function sparsePrefill({ sparseTokens, kinds, groups, tileShares }: Sizes): BenchCase[] {
  const group = groups.at(-1)!;
  return sparseTokens.flatMap((tokens) =>
    kinds.filter(({ dtype }) => dtype === "bf16").flatMap((kind) =>
      tileShares.map((share) => sparseCase(shapeOf(tokens, kind, group, share), share))
    )
  );
}

function shapeOf(
  tokens: number,
  { dim, dtype }: Sizes["kinds"][number],
  group: number,
  wanted: number,
): CaseShape {
  const kvHeads = Math.max(1, HEADS / group);
  const share = wanted === 1 ? 1 : tileShareOf(tokens, wanted);
  return { tokens, heads: kvHeads * group, kvHeads, dim, dtype, share };
}

/** What both have in common. */
function prefillCase(shape: CaseShape): Omit<BenchCase, "kernel" | "open" | "peers"> {
  const { tokens, heads, dim, share } = shape;
  const dense = 2 * heads * dim * tokens * (tokens + 1);
  const rows = rowBytes(shape, tokens);
  const trafficBytes = kvBytes(shape) + rows;
  return {
    ...shape,
    shape: attentionText(shape),
    flops: share * dense,
    multiplies: "bf16",
    denseFlops: share === 1 ? 0 : dense,
    trafficBytes,
    workingSetBytes: trafficBytes,
    memoryBytes: pageBytes(shape) + rows + planBytes(shape),
  };
}

/** Of plans whose tiles are all listed; dense heads share theirs. */
function planBytes({ tokens, heads, share }: CaseShape): number {
  const tiles = (tokens / BLOCK) ** 2 / 2;
  return 3 * 8 * tiles * (share === 1 ? 1 : 1 + heads * share);
}

function denseCase(shape: CaseShape, isCompared: boolean): BenchCase {
  const { tokens, heads, kvHeads, dim } = shape;
  return {
    ...prefillCase(shape),
    kernel: "dense prefill",
    peers: isCompared ? { kind: "prefill", tokens, heads, kvHeads, dim } : null,
    open: async (bench) => {
      const tensors = await attentionTensors(bench, shape, tokens);
      return tensors.opened(runOf(bench, tensors, densePlans(shape)));
    },
  };
}

function sparseCase(shape: CaseShape, wanted: number): BenchCase {
  const { tokens, heads } = shape;
  return {
    ...prefillCase(shape),
    kernel: "sparse prefill",
    peers: null,
    open: async (bench) => {
      const tensors = await attentionTensors(bench, shape, tokens);
      const plans = Array.from({ length: heads }, () => randomTiles(bench.data, tokens, wanted));
      const dense = runOf(bench, tensors, densePlans(shape));
      return tensors.opened(runOf(bench, tensors, plans), dense);
    },
  };
}

type Tensors = Awaited<ReturnType<typeof attentionTensors>>;

function runOf({ backend }: Bench, tensors: Tensors, plans: readonly TilePlan[]) {
  const { q, scale, kv, out } = tensors;
  return (control: Parameters<typeof backend.attendTiles>[6]) =>
    backend.attendTiles(q, 0, scale, kv, plans, out, control);
}

function densePlans({ tokens, heads }: CaseShape): TilePlan[] {
  return new Array(heads).fill(lower({ kind: "dense" }, 0, tokens, tokens));
}

/** Random tiles before the diagonal one, so many in each row of tiles that `share` of its area is computed. */
function randomTiles(data: RandomRows, tokens: number, share: number): TilePlan {
  const blocks = Array.from({ length: Math.ceil(tokens / BLOCK) }, (_, row) => [
    ...data.subset(tilesBefore(row, share), 0, row),
    row,
  ]);
  return lower({ kind: "blockSparse", block: BLOCK, blocks }, 0, tokens, tokens);
}

/** Tiles before the diagonal one, of which half is computed. */
function tilesBefore(row: number, share: number): number {
  return Math.min(row, Math.max(0, Math.round(share * (row + 0.5) - 0.5)));
}

/** Share of the query-key pairs that {@link randomTiles} computes. */
function tileShareOf(tokens: number, share: number): number {
  let pairs = 0;
  for (let first = 0; first < tokens; first += BLOCK) {
    const rows = Math.min(BLOCK, tokens - first);
    pairs += rows * BLOCK * tilesBefore(first / BLOCK, share) + rows * (rows + 1) / 2;
  }
  return pairs / (tokens * (tokens + 1) / 2);
}
