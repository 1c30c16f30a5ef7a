/** Attention on a device beside PyTorch's: dense prefill, a sparse plan, decode over all keys. */
import type { Backend, TilePlan } from "../../../ffi/backend.ts";
import { tilePlanPairs } from "../../../ffi/pack_plans.ts";
import { lower } from "../../attention/lower.ts";
import { lowerRow } from "../../attention/lower_row.ts";
import { tokensText } from "../bench_case.ts";
import { attentionTensors, kvBytes } from "../random_cache.ts";
import { RandomRows } from "../random_rows.ts";
import { deviceMs } from "./device_time.ts";
import type { AttentionShape, TorchGpu, TorchTimes } from "./torch_gpu.ts";

/** What is measured. */
export interface GpuSizes {
  /** Tokens of prefill. */
  readonly prefill: readonly number[];
  /** Keys of decode. */
  readonly decode: readonly number[];
  /** Heads. */
  readonly heads: Pick<AttentionShape, "heads" | "kvHeads" | "dim">;
}

/** The sizes that results are given for. */
export const GPU_SIZES: GpuSizes = {
  prefill: [8192, 32768, 131072],
  decode: [131072, 1048576],
  heads: { heads: 32, kvHeads: 8, dim: 128 },
};

/** What limits a device. */
export interface GpuCeilings {
  /** Bytes a second that a copy reads and writes. */
  readonly copy: number;
  /** Operations a second of a bf16 product. */
  readonly matmul: number;
}

/** A measured call. */
export interface GpuRow {
  /** Its kind and size. */
  readonly name: string;
  /** Milliseconds of ours. */
  readonly ms: number;
  /** Milliseconds of PyTorch's; null where it has no such call. */
  readonly torch: TorchTimes | null;
  /** Share of a ceiling that ours reaches: of the product's peak, or of the copy's bandwidth. */
  readonly ofCeiling: number;
  /** What is asked of it, as a ratio with its bound: the sentence ends the row. */
  readonly goal: string;
  /** Whether it is met; null where PyTorch did not run. */
  readonly met: boolean | null;
}

/** Lines of the sparse plan: keys that every row sees, and distances. */
const VERTICAL = 1024, SLASH = 32, WINDOW = 1024;
const DENSE_GOAL = 0.9, SPARSE_GOAL = 1.2, DECODE_GOAL = 0.85;

/** Measures all sizes, the shortest first. */
export async function* measureAttention(
  backend: Backend,
  torch: TorchGpu,
  ceilings: GpuCeilings,
  sizes: GpuSizes,
): AsyncGenerator<GpuRow> {
  for (const tokens of sizes.prefill) {
    yield* prefillRows(backend, torch, ceilings, { kind: "prefill", tokens, ...sizes.heads });
  }
  for (const tokens of sizes.decode) {
    yield await decodeRow(backend, torch, ceilings, { kind: "decode", tokens, ...sizes.heads });
  }
}

async function* prefillRows(
  backend: Backend,
  torch: TorchGpu,
  { matmul }: GpuCeilings,
  shape: AttentionShape,
): AsyncGenerator<GpuRow> {
  const { tokens, heads, kvHeads, dim } = shape;
  const data = new RandomRows(0);
  const full = { ...shape, dtype: "bf16", share: 1 } as const;
  const tensors = await attentionTensors({ backend, data }, full, tokens);
  const { q, scale, kv, out } = tensors;
  const opened = tensors.opened(() => {});
  const times = (plans: readonly TilePlan[]) =>
    deviceMs(backend, () => backend.attendTiles(q, 0, scale, kv, plans, out));
  try {
    const dense = new Array<TilePlan>(heads).fill(lower({ kind: "dense" }, 0, tokens, tokens));
    const flops = 2 * heads * dim * tokens * (tokens + 1);
    const ms = await times(dense);
    const peer = await torch.attention(shape);
    yield denseRow(shape, ms, peer, flops / (1e-3 * ms) / matmul);
    const few = Array.from({ length: kvHeads }, () => linesPlan(data, tokens));
    const sparse = Array.from({ length: heads }, (_, h) => few[Math.floor(h * kvHeads / heads)]!);
    const share = tilePlanPairs(sparse) / tilePlanPairs(dense);
    const sparseMs = await times(sparse);
    yield sparseRow(shape, sparseMs, ms, share, flops * share / (1e-3 * sparseMs) / matmul);
  } finally {
    opened.close();
  }
}

/** Random vertical lines, a window and random slash lines. */
function linesPlan(data: RandomRows, tokens: number): TilePlan {
  const vertical = data.subset(VERTICAL, 0, tokens);
  const near = Array.from({ length: WINDOW }, (_, distance) => distance);
  const slash = [...near, ...data.subset(SLASH, WINDOW, tokens)];
  return lower({ kind: "verticalSlash", vertical, slash }, 0, tokens, tokens);
}

function denseRow(
  { tokens }: AttentionShape,
  ms: number,
  torch: TorchTimes,
  ofCeiling: number,
): GpuRow {
  const best = Math.min(torch.cudnn ?? Infinity, torch.flash ?? Infinity);
  const ratio = Number.isFinite(best) ? best / ms : null;
  return {
    ...{ name: `dense prefill ${tokensText(tokens)}`, ms, torch, ofCeiling },
    goal: `${ratio?.toFixed(2) ?? "-"} x the better one, >= ${DENSE_GOAL}`,
    met: ratio === null ? null : ratio >= DENSE_GOAL,
  };
}

function sparseRow(
  { tokens }: AttentionShape,
  ms: number,
  dense: number,
  share: number,
  ofCeiling: number,
): GpuRow {
  const ratio = ms / (share * dense);
  const percent = (100 * share).toFixed(1);
  return {
    ...{ name: `vertical-slash ${tokensText(tokens)} ${percent} %`, ms, torch: null, ofCeiling },
    goal: `${ratio.toFixed(2)} x share x dense, <= ${SPARSE_GOAL}`,
    met: ratio <= SPARSE_GOAL,
  };
}

async function decodeRow(
  backend: Backend,
  torch: TorchGpu,
  { copy }: GpuCeilings,
  shape: AttentionShape,
): Promise<GpuRow> {
  const full = { ...shape, dtype: "bf16", share: 1 } as const;
  const { tokens, heads } = shape;
  const tensors = await attentionTensors({ backend, data: new RandomRows(0) }, full, 1);
  const { q, scale, kv, out } = tensors;
  const opened = tensors.opened(() => {});
  try {
    const plans = new Array(heads).fill(lowerRow({ kind: "dense" }, tokens - 1));
    const ms = await deviceMs(backend, () => backend.attendKeys(q, scale, kv, plans, out));
    const peer = await torch.attention(shape);
    const ofCeiling = kvBytes(full) / (1e-3 * ms) / copy;
    return {
      ...{ name: `decode ${tokensText(tokens)}`, ms, torch: peer, ofCeiling },
      goal: `${ofCeiling.toFixed(2)} x the copy's bandwidth, >= ${DECODE_GOAL}`,
      met: ofCeiling >= DECODE_GOAL,
    };
  } finally {
    opened.close();
  }
}
