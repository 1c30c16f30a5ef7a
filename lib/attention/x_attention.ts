import { checkCount, checkShare } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import type { BlockScores, Method, PrefillContext } from "./method.ts";
import type { BlockSparsePlan, HeadPlan } from "./plan.ts";
import { type OwnBlocks, ownBlocks, scoresOfHead } from "./query_blocks.ts";
import { topShare } from "./top_share.ts";

/** Options of {@link xAttention}. */
export interface XAttentionOptions {
  /**
   * Side of the squares whose antidiagonal is summed; divides `block`. Published: 8 and 16.
   * @default 8
   */
  readonly stride?: number;
  /**
   * Share of a row's scores that the chosen blocks reach: of every head, or `[layer][head]`, as `xAttentionThresholds()`
   * calibrates it.
   * @default 0.9
   */
  readonly threshold?: number | readonly (readonly number[])[];
  /**
   * Tokens of a block.
   * @default 128
   */
  readonly block?: number;
  /**
   * Divides the scores before their softmax.
   * @default 1
   */
  readonly norm?: number;
}

type Checked = Required<XAttentionOptions>;

/**
 * XAttention (Xu et al. 2025, arXiv 2503.16428): blocks are scored by their antidiagonals, and each block of queries sees the
 * first block, its own, and the fewest others with the largest scores that bring the sum to `threshold` of the row's. Equal
 * scores: the earlier block. Each block of queries is chosen for by itself, so that chunks change nothing where they begin at
 * multiples of `block`; one that begins inside of a block has two own blocks in each row. Governs the prefill; single queries
 * see every key.
 *
 * @throws {RangeError} if an option is out of range; in a prefill, if `threshold` has no entry for a layer or head
 */
export function xAttention(options: XAttentionOptions = {}): Method {
  const checked = checkOptions(options);
  return described({
    name: "xAttention",
    options: checked,
    governsPrefill: true,
    planPrefill: (context) => planChunk(checked, context),
    ...denseDecode,
  });
}

function checkOptions(options: XAttentionOptions): Checked {
  const { stride = 8, threshold = 0.9, block = 128, norm = 1 } = options;
  const action = "make a xAttention method";
  checkCount(action, "stride", stride, 1);
  checkCount(action, "block", block, 1);
  if (block % stride !== 0) {
    throw new RangeError(
      `Cannot ${action} as block must be a multiple of stride ${stride}: current value is ${block}`,
    );
  }
  if (!(norm > 0 && norm < Infinity)) {
    throw new RangeError(`Cannot ${action} as norm must be above 0: current value is ${norm}`);
  }
  for (const value of [threshold].flat(2)) checkShare(action, "threshold", value);
  return { stride, threshold, block, norm };
}

async function planChunk(
  { stride, threshold, block, norm }: Checked,
  context: PrefillContext,
): Promise<HeadPlan[]> {
  const { layer, heads, qStart, kvLength, estimates } = context;
  const shares = heads.map((head) => thresholdOf(threshold, layer, head));
  // The first block and the own ones are everything.
  if (kvLength <= 2 * block) return heads.map(() => ({ kind: "dense" }));
  const scores = await estimates.antidiagonalScores(heads, { block, stride, norm });
  const own = ownBlocks(context, block);
  return shares.map((share, x): HeadPlan => ({
    kind: "blockSparse",
    block,
    from: qStart,
    blocks: chooseBlocks(scoresOfHead(scores, x), share, own),
  }));
}

function chooseBlocks(
  { scores, columns }: BlockScores,
  share: number,
  own: readonly OwnBlocks[],
): BlockSparsePlan["blocks"] {
  return own.map(({ first, last }, row) => {
    const seen = scores.subarray(row * columns, row * columns + last + 1);
    return topShare(seen, share, { forced: [...new Set([0, first, last])] });
  });
}

function thresholdOf(threshold: Checked["threshold"], layer: number, head: number): number {
  const found = typeof threshold === "number" ? threshold : threshold[layer]?.[head];
  if (found !== undefined) return found;
  throw new RangeError(
    `Cannot plan by xAttention as threshold must have an entry for head ${head} of layer ${layer}: ` +
      `current value is undefined`,
  );
}
