/** Operations that touch all keys to find the few that matter: what sparse methods spend before they attend. */
import { KV_BYTES } from "../../../ffi/elements.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import {
  type AttentionTensors,
  attentionTensors,
  kvBytes,
  pageBytes,
  rowBytes,
} from "../random_cache.ts";
import type { Sizes } from "../sizes.ts";

/** Query heads; a group that is larger has one KV head. */
const HEADS = 4;
/** Last queries whose attention is summed by column and diagonal (MInference). */
const LAST_QUERIES = 64;
/** Stride and block of antidiagonal sums (XAttention). */
const ANTIDIAGONAL = { stride: 16, block: 128 };
/** Keys that one pair of bounds stands for (Quest). */
const BOUND_KEYS = 16;

/** One case for each estimate of a kind of heads, in bf16 and the largest group. */
export function estimates({ sparseTokens, kinds, groups }: Sizes): BenchCase[] {
  const group = groups.at(-1)!;
  const kvHeads = Math.max(1, HEADS / group);
  return sparseTokens.flatMap((tokens) =>
    kinds.filter(({ dtype }) => dtype === "bf16").flatMap((kind) => {
      const shape = { ...kind, tokens, heads: kvHeads * group, kvHeads, share: 1 };
      return [verticalSlash(shape), antidiagonal(shape), keyBounds(shape)];
    })
  );
}

/** What an estimate does. */
interface Estimate {
  readonly name: string;
  /** Rows of queries. */
  readonly rows: number;
  readonly flops: number;
  /** Bytes beside keys and queries. */
  readonly moreBytes: number;
}

/** An estimate reads all keys once, and no values. */
function estimateCase(
  shape: CaseShape,
  { name, rows, flops, moreBytes }: Estimate,
): Omit<BenchCase, "open"> {
  const { heads, dim } = shape;
  const trafficBytes = kvBytes(shape) / 2 + rows * heads * dim * KV_BYTES.f32 + moreBytes;
  return {
    ...shape,
    kernel: "estimate",
    shape: `${name} ${attentionText(shape)}`,
    multiplies: "f32",
    ...{ flops, denseFlops: 0, peers: null, trafficBytes, workingSetBytes: trafficBytes },
    memoryBytes: pageBytes(shape) + rowBytes(shape, rows) + moreBytes,
  };
}

function allHeads({ heads }: CaseShape): number[] {
  return Array.from({ length: heads }, (_, head) => head);
}

function verticalSlash(shape: CaseShape): BenchCase {
  const { tokens, heads, dim } = shape;
  const rows = Math.min(LAST_QUERIES, tokens);
  const flops = 2 * heads * dim * rows * (tokens - (rows - 1) / 2);
  const work = { name: "vertical slash", rows, flops, moreBytes: 0 };
  return {
    ...estimateCase(shape, work),
    multiplies: "bf16",
    open: (bench) =>
      opened(bench, shape, rows, ({ q, scale, kv }) => async (control) => {
        const { backend } = bench;
        await backend.verticalSlash(q, tokens - rows, allHeads(shape), scale, kv, control);
      }),
  };
}

function antidiagonal(shape: CaseShape): BenchCase {
  const { tokens, heads, dim } = shape;
  const { stride, block } = ANTIDIAGONAL;
  const cells = tokens / stride * (tokens / stride + 1) / 2;
  const flops = 2 * heads * dim * stride * cells;
  return {
    ...estimateCase(shape, { name: "antidiagonals", rows: tokens, flops, moreBytes: 0 }),
    open: (bench) =>
      opened(bench, shape, tokens, ({ q, scale, kv }) => async (control) => {
        const heads = allHeads(shape);
        await bench.backend.antidiagonalScores(q, 0, heads, scale, kv, stride, block, control);
      }),
  };
}

function keyBounds(shape: CaseShape): BenchCase {
  const { tokens, kvHeads, dim } = shape;
  const blocks = Math.ceil(tokens / BOUND_KEYS);
  const flops = 2 * tokens * kvHeads * dim; // a comparison for each of both bounds
  const moreBytes = 2 * blocks * kvHeads * dim * KV_BYTES.f32;
  return {
    ...estimateCase(shape, { name: "key bounds", rows: 0, flops, moreBytes }),
    open: async (bench) => {
      const { backend } = bench;
      const room = () => backend.tensor([blocks, kvHeads, dim]);
      const bounds = { min: room(), max: room() };
      const { run, close } = await opened(
        bench,
        shape,
        1,
        ({ kv }) => (control) => backend.keyBounds(kv, 0, BOUND_KEYS, bounds, control),
      );
      return {
        run,
        close: () => {
          close();
          bounds.min.close();
          bounds.max.close();
        },
      };
    },
  };
}

/** A case whose call needs nothing but queries and keys. */
async function opened(
  bench: Bench,
  shape: CaseShape,
  rows: number,
  callOf: (tensors: AttentionTensors) => ReturnType<AttentionTensors["opened"]>["run"],
) {
  const tensors = await attentionTensors(bench, shape, rows);
  return tensors.opened(callOf(tensors));
}
