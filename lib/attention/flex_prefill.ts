import { checkCount, checkShare } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import {
  divergence,
  type HeadLooks,
  paperPlan,
  poolSums,
  releasedPlan,
} from "./flex_prefill_rules.ts";
import type { Method, PrefillContext, VerticalSlash } from "./method.ts";
import type { HeadPlan } from "./plan.ts";
import { scoresOfHead } from "./query_blocks.ts";

/** Options of {@link flexPrefill}. */
export interface FlexPrefillOptions {
  /**
   * Share of the attention to reach.
   * @default 0.9
   */
  readonly gamma?: number;
  /**
   * Heads whose means predict the attention with a divergence below it choose blocks by means; 0: none.
   * @default 0.1
   */
  readonly tau?: number;
  /**
   * Tokens of a block, and rows at the end of a chunk that decide for it.
   * @default 128
   */
  readonly block?: number;
  /**
   * Tokens to choose at least.
   * @default 512
   */
  readonly minBudget?: number;
  /**
   * Tokens to choose at most; `null`: no limit.
   * @default null
   */
  readonly maxBudget?: number | null;
  /**
   * Rules of the paper, or of the code that was released with it.
   * @default "paper"
   */
  readonly compat?: "paper" | "reference";
  /**
   * Chunks that see fewer keys are dense and ask for no estimate, which costs more than it saves there. Further on it pays in
   * chunks of 2048 tokens; in chunks of 512, of which its last rows are a quarter, it does not at any length.
   * @default 8192; 0 with `compat: "reference"`
   */
  readonly denseBelow?: number;
}

/** Keys from which on chunks of 2048 tokens take no more time than dense ones, in the embedded model on a CPU. */
const WORTH_ESTIMATES = 8192;

/** Checked options. */
type Checked = Required<FlexPrefillOptions>;

/**
 * FlexPrefill (Lai et al. 2025, arXiv 2502.20766). The attention of a chunk's last `block` queries is compared with what mean
 * query and mean keys predict for it. Heads with a root Jensen-Shannon divergence (natural logarithm) below `tau` are
 * query-aware: pairs of blocks are chosen by the products of their means. The others choose columns and diagonals by the last
 * queries' attention. Either way the largest scores are taken until they reach `gamma`; equal scores: the earlier key, the
 * nearer diagonal. Chunks of at most `2 block` or `minBudget` (rounded up to blocks) keys, its own and those before, or of fewer than
 * `denseBelow`, are dense.
 * Governs the prefill; single queries see every key.
 *
 * `compat: "paper"`: the fewest entries that reach `gamma`, the one that crosses it included. Columns and diagonals are single
 * ones, and computed in tiles (`VerticalSlashPlan.cover`); `minBudget` and `maxBudget` limit each
 * of both. Pairs of blocks are chosen out of one distribution over all rows of the chunk; the budgets limit the keys of each
 * row. Every query sees its own key (in pairs of blocks: its own block), whatever was chosen.
 *
 * `compat: "reference"`: entries are counted while their sum does not exceed `gamma`, and one is added; whole blocks are
 * chosen, of which there are `floor(count / 128) + 1`, whatever `block` is; distances are pooled from the farthest on; a
 * diagonal of blocks stands for each pooled one; the first block and the nearest diagonal are always among them; query-aware heads
 * take `minBudget` of both, and the pairs besides, without the one that crosses `gamma`; a probability of 0 makes a head not
 * query-aware. Sums are float64, not float32.
 *
 * Both publications decide once for a whole prompt. Here each chunk decides for its own rows, by its own last block of queries
 * (all of them where the chunk has fewer), so that chunks as long as the prompt give what was published and shorter ones follow
 * the text more closely, at the price of an estimate each. Blocks of rows count from the chunk's first row: one that
 * begins inside of a key block has two own blocks.
 *
 * @throws {RangeError} if an option is out of range
 */
export function flexPrefill(options: FlexPrefillOptions = {}): Method {
  const checked = checkOptions(options);
  return described({
    name: "flexPrefill",
    options: checked,
    governsPrefill: true,
    planPrefill: (context) => planChunk(checked, context),
    ...denseDecode,
  });
}

function checkOptions(options: FlexPrefillOptions): Checked {
  const { gamma = 0.9, tau = 0.1, block = 128, minBudget = 512, maxBudget = null } = options;
  const { compat = "paper", denseBelow = compat === "paper" ? WORTH_ESTIMATES : 0 } = options;
  const action = "make a flexPrefill method";
  checkShare(action, "gamma", gamma);
  checkShare(action, "tau", tau);
  checkCount(action, "block", block, 1);
  checkCount(action, "minBudget", minBudget, 1);
  if (maxBudget !== null) checkCount(action, "maxBudget", maxBudget, minBudget);
  checkCount(action, "denseBelow", denseBelow, 0);
  if (compat !== "paper" && compat !== "reference") {
    throw new RangeError(
      `Cannot ${action} as compat must be paper or reference: current value is ${compat}`,
    );
  }
  return { gamma, tau, block, minBudget, maxBudget, compat, denseBelow };
}

async function planChunk(options: Checked, context: PrefillContext): Promise<HeadPlan[]> {
  const { heads, kvLength, estimates } = context;
  if (isDense(options, kvLength)) return heads.map(() => ({ kind: "dense" }));
  const sums = await estimates.verticalSlash(heads, options.block);
  const looks = await lookAtPairs(options, context, sums);
  const plan = options.compat === "paper" ? paperPlan : releasedPlan;
  return looks.map((look) => plan(look, options, context));
}

/** Whether a chunk that sees `keys` keys has nothing to choose, or nothing to gain. */
function isDense({ block, minBudget, denseBelow }: Checked, keys: number): boolean {
  return keys < denseBelow || keys <= Math.max(2 * block, Math.ceil(minBudget / block) * block);
}

/** Adds the scores of pairs of blocks to the sums of query-aware heads. */
async function lookAtPairs(
  options: Checked,
  context: PrefillContext,
  sums: readonly VerticalSlash[],
): Promise<HeadLooks[]> {
  const { heads, estimates } = context;
  const isAware = await findAware(options, context, sums);
  const aware = heads.filter((_, x) => isAware[x]);
  if (aware.length === 0) return sums.map((sum) => ({ sums: sum, pairs: null }));
  const scores = await estimates.blockScores(aware, { block: options.block, softmax: true });
  return heads.map((head, x) => ({
    sums: sums[x]!,
    pairs: isAware[x] ? scoresOfHead(scores, aware.indexOf(head)) : null,
  }));
}

/** Whether each head is query-aware. */
async function findAware(
  { tau, block, compat }: Checked,
  { heads, qLen, estimates }: PrefillContext,
  sums: readonly VerticalSlash[],
): Promise<boolean[]> {
  if (tau === 0) return heads.map(() => false);
  const means = await estimates.blockScores(heads, { block, softmax: true, last: true });
  const rows = Math.min(block, qLen);
  return sums.map(({ vertical }, x) => {
    const predicted = scoresOfHead(means, x).scores;
    const actual = poolSums(vertical, block).map((sum) => sum / rows);
    return divergence(predicted, actual, compat === "paper") < tau;
  });
}
