import { topIndices } from "../retrieval/top_indices.ts";
import { checkCount } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import type { BlockScores, Method, PrefillContext } from "./method.ts";
import type { BlockSparsePlan, HeadPlan } from "./plan.ts";
import { planUnlessWhole } from "./whole_heads.ts";

/** Options of {@link blockSparse}. */
export interface BlockSparseOptions {
  /**
   * Tokens of a block.
   * @default 64
   */
  readonly block?: number;
  /**
   * Key blocks that each block of queries sees.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Whether the first block and a block of queries' own are always among them; the released code takes neither.
   * @default true
   */
  readonly forced?: boolean;
}

/**
 * MInference's block-sparse attention (Jiang et al. 2024, arXiv 2407.02490): each block of queries sees the key blocks whose mean
 * key has the largest product with its mean query. Equal products: the earlier block. Governs the prefill; single queries see
 * every key.
 *
 * @throws {RangeError} if `block` or `topK` is below 1
 */
export function blockSparse(options: BlockSparseOptions = {}): Method {
  const { block = 64, topK = 100, forced = true } = options;
  checkCount("make a blockSparse method", "block", block, 1);
  checkCount("make a blockSparse method", "topK", topK, 1);
  return described({
    name: "blockSparse",
    options: { block, topK, forced },
    governsPrefill: true,
    planPrefill: (context) => planBlockSparse(context, { block, forced }, () => topK),
    ...denseDecode,
  });
}

/** How blocks are chosen. */
export type BlockSparseRule = Required<Pick<BlockSparseOptions, "block" | "forced">>;

/** Plans of heads with numbers of blocks of their own, by one estimate. */
export function planBlockSparse(
  context: PrefillContext,
  rule: BlockSparseRule,
  topKOf: (head: number) => number,
): Promise<HeadPlan[]> {
  const isWhole = (head: number) => topKOf(head) * rule.block >= context.kvLength;
  return planUnlessWhole(context, isWhole, (others) => planChunk(others, rule, topKOf));
}

async function planChunk(
  { heads, qStart, estimates }: PrefillContext,
  { block, forced }: BlockSparseRule,
  topKOf: (head: number) => number,
): Promise<HeadPlan[]> {
  const scores = await estimates.blockScores(heads, { block, softmax: false });
  return heads.map((head, x): HeadPlan => ({
    kind: "blockSparse",
    block,
    from: qStart,
    blocks: topBlocks(scores, x, topKOf(head), forced),
  }));
}

function topBlocks(
  { scores, rows, columns }: BlockScores,
  x: number,
  topK: number,
  forced: boolean,
): BlockSparsePlan["blocks"] {
  return Array.from({ length: rows }, (_, row) => {
    const start = (x * rows + row) * columns;
    const line = scores.slice(start, start + columns);
    if (forced) {
      line[0] = Infinity;
      line[lastSeen(line)] = Infinity;
    }
    return topIndices(line, topK);
  });
}

/** The last block with a key that a row sees. */
function lastSeen(line: Float32Array): number {
  return line.findLastIndex((score) => score !== -Infinity);
}
