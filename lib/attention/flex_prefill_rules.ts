/** What FlexPrefill chooses for one head, by the paper's rules and by those of the released code. */
import { topIndices } from "../retrieval/top_indices.ts";
import type { BlockScores, PrefillContext, VerticalSlash } from "./method.ts";
import type { BlockSparsePlan, HeadPlan } from "./plan.ts";
import { type OwnBlocks, ownBlocks } from "./query_blocks.ts";
import { countWithin, topShare } from "./top_share.ts";

/** What is known of a head. */
export interface HeadLooks {
  /** Attention of the chunk's last queries. */
  readonly sums: VerticalSlash;
  /** Probabilities of pairs of blocks by their means, of query-aware heads. */
  readonly pairs: BlockScores | null;
}

/** Options of the rules. */
export interface FlexPrefillRules {
  /** Share of the attention to reach. */
  readonly gamma: number;
  /** Tokens of a block. */
  readonly block: number;
  /** Tokens to choose at least. */
  readonly minBudget: number;
  /** Tokens to choose at most; `null`: no limit. */
  readonly maxBudget: number | null;
}

/** The released code counts blocks of this size, whatever its blocks are. */
const COUNTED_BLOCK = 128;

/**
 * Root of the Jensen-Shannon divergence of two distributions, in natural logarithms. Without `zeros` a probability of 0 makes
 * it NaN, as `0 log 0` does in floating point.
 */
export function divergence(p: Float32Array, q: Float32Array, zeros: boolean): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const mean = (p[i]! + q[i]!) / 2;
    for (const x of [p[i]!, q[i]!]) {
      if (x !== 0 || !zeros) sum += x * Math.log(x / mean) / 2;
    }
  }
  return Math.sqrt(zeros ? Math.max(sum, 0) : sum);
}

/** Sums of runs of `block` entries, of fewer at the end. */
export function poolSums(values: Float32Array, block: number): Float32Array {
  const sums = new Float64Array(Math.ceil(values.length / block));
  values.forEach((value, i) => sums[Math.floor(i / block)]! += value);
  return Float32Array.from(sums);
}

/** The fewest columns and diagonals, or pairs of blocks, that reach `gamma`. */
export function paperPlan(
  { sums, pairs }: HeadLooks,
  options: FlexPrefillRules,
  context: PrefillContext,
): HeadPlan {
  if (pairs) return blockPlan(fewestPairs(pairs, options, context), options, context);
  const { gamma, minBudget: least, maxBudget } = options;
  const most = maxBudget ?? Infinity;
  return {
    kind: "verticalSlash",
    vertical: topShare(sums.vertical, gamma, { least, most }),
    slash: topShare(sums.slash, gamma, { forced: [0], least, most }),
    cover: "blocks",
  };
}

/** Columns and diagonals of blocks, and those pairs of query-aware heads whose sum does not exceed `gamma`. */
export function releasedPlan(
  { sums, pairs }: HeadLooks,
  options: FlexPrefillRules,
  context: PrefillContext,
): HeadPlan {
  const lines = releasedLines(sums, options, context, pairs !== null);
  const { rows = 0, columns = 1, scores = new Float32Array() } = pairs ?? {};
  const taken = topIndices(scores, countWithin(scores, options.gamma * rows));
  const blocks = ownBlocks(context, options.block).map((own, row) => {
    const others = taken.filter((x) => Math.floor(x / columns) === row).map((x) => x % columns);
    return [...new Set([...blocksOfLines(lines, own), ...others])]
      .filter((column) => column >= 0 && column <= own.last)
      .sort((a, b) => a - b);
  });
  return blockPlan(blocks, options, context);
}

function blockPlan(
  blocks: BlockSparsePlan["blocks"],
  { block }: FlexPrefillRules,
  { qStart }: PrefillContext,
): BlockSparsePlan {
  return { kind: "blockSparse", block, from: qStart, blocks };
}

/** Rows whose number of blocks is out of the budgets take their own best instead. */
function fewestPairs(
  { scores, columns }: BlockScores,
  { gamma, block, minBudget, maxBudget }: FlexPrefillRules,
  context: PrefillContext,
): number[][] {
  const own = ownBlocks(context, block);
  const forced = own.map(({ first, last }) => first === last ? [first] : [first, last]);
  const places = forced.flatMap((row, r) => row.map((column) => r * columns + column));
  const counts = own.map(() => 0);
  for (const x of topShare(scores, gamma, { forced: places })) counts[Math.floor(x / columns)]!++;
  const [least, most] = [minBudget, maxBudget ?? Infinity].map((tokens) =>
    Math.ceil(tokens / block)
  );
  return own.map(({ last }, row) => {
    const line = scores.slice(row * columns, row * columns + last + 1);
    for (const column of forced[row]!) line[column] = Infinity;
    return topIndices(line, Math.min(Math.max(counts[row]!, least!), most!));
  });
}

/** Chosen columns and diagonals, counted in blocks. */
interface Lines {
  readonly vertical: readonly number[];
  readonly slash: readonly number[];
}

function blocksOfLines({ vertical, slash }: Lines, { first, last }: OwnBlocks): number[] {
  const ends = first === last ? [first] : [first, last];
  return [...vertical, ...ends.flatMap((end) => slash.map((distance) => end - distance))];
}

function releasedLines(
  sums: VerticalSlash,
  { gamma, block, minBudget, maxBudget }: FlexPrefillRules,
  { qLen }: PrefillContext,
  isAware: boolean,
): Lines {
  const vertical = poolSums(sums.vertical, block);
  const slash = poolSums(sums.slash.slice().reverse(), block).reverse();
  vertical[0] = Infinity;
  slash[0] = Infinity;
  const least = Math.ceil(minBudget / block);
  const most = Math.ceil((maxBudget ?? Infinity) / block);
  const limit = gamma * Math.min(block, qLen);
  const count = (line: Float32Array) => {
    if (isAware) return least;
    const blocks = Math.floor((countWithin(line, limit) + 1) / COUNTED_BLOCK) + 1;
    return Math.min(Math.max(blocks, least), most);
  };
  return {
    vertical: topIndices(vertical, count(sums.vertical)),
    slash: topIndices(slash, count(sums.slash)),
  };
}
