import {
  areaOf,
  blockCandidates,
  blockPlan,
  type BlockShare,
  type Candidate,
  type Choice,
  type ChosenPlan,
  denseArea,
  slashCandidates,
  streamingCandidates,
} from "./adaptive_candidates.ts";
import { checkShare } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import {
  certifiedMass,
  denseClaim,
  estimatedMass,
  type GroupMass,
  type MassClaim,
  type MeasuredMass,
} from "./mass_claim.ts";
import type { BlockScores, Method, PrefillContext } from "./method.ts";
import type { DensePlan } from "./plan.ts";
import { scoresOfHead } from "./query_blocks.ts";
import { drawGroups, GROUP_ROWS, groupCount, RowGroup } from "./row_groups.ts";

/** Options of {@link adaptive}. */
export interface AdaptiveOptions {
  /**
   * Share of the attention that a plan keeps of the rows that are looked at.
   * @default 0.98
   */
  readonly mass?: number;
  /**
   * What looking may cost at most, over the dense attention of all chunks so far. The larger it is, the shorter the prompts that
   * are looked at: from about 290 / `probe` tokens on.
   * @default 0.04
   */
  readonly probe?: number;
  /**
   * Plans whose tile area is a larger share of that of dense attention are not worth it.
   * @default 0.6
   */
  readonly most?: number;
}

type Checked = Required<AdaptiveOptions>;

/** Groups that plans are fitted to; as many check them. */
const LEAST_GROUPS = 3;
const MOST_GROUPS = 8;
/** What a pair of query and key of a group costs, over one of dense attention: measured, for 8 rows fill few of a kernel's lanes. */
const CHARGE = 3;
/** Part of the area that sparse plans have saved, which may be spent on looking again. */
const REINVESTED = 0.1;
/** Blocks are tried where the best other plan computes more than this share. */
const WORTH_BLOCKS = 0.1;

/** What a layer keeps from chunk to chunk. */
interface LayerMemory {
  /** Pairs of queries and keys that looking may still cost each head. */
  readonly credit: number;
  /** What was decided for each head when it was looked at. */
  readonly decisions: ReadonlyMap<number, Decision>;
}

/** What was decided for a head. */
interface Decision {
  readonly choice: Choice;
  /** What is known of it; `null` for dense plans. */
  readonly measured: MeasuredMass | null;
  /** Why it is dense, where it is. */
  readonly why: MassClaim["why"];
}

/**
 * For each head and chunk the cheapest plan whose kept attention reaches `mass`: dense, first tokens and a window, columns and
 * diagonals in tiles, or pairs of blocks by their means. Groups of 8 neighbouring rows are drawn all over the chunk, the same ones
 * in every run, and their attention is computed. Half of the groups propose plans, with all that is computed counted, the tiles
 * around diagonals too; the others check them: the plan with the least tile area of which both halves keep `mass` is taken.
 * Where none of at most `most` of the dense tile area does, the head is dense.
 *
 * Looking costs at most `probe` of the dense attention so far, and a tenth of what was saved: chunks are looked at whenever
 * that allows 6 groups or more (16 at most), and in between go on with what was decided last. So short prompts are dense
 * and nothing is computed for them. Layers with a sliding window are dense once it hides keys.
 *
 * Each plan says what is known of it (`claim`). The mass is `certified` where every key is kept or every row was looked at, else
 * `estimated`, by the groups that checked the plan, with Student's interval of 95 % (by the wider spread of both halves, widened for
 * the plans that were tried), or `carried` from the chunk that was looked at.
 * Governs the prefill; single queries see every key.
 *
 * @throws {RangeError} if an option is not of 0 .. 1
 */
export function adaptive(options: AdaptiveOptions = {}): Method {
  const { mass = 0.98, probe = 0.04, most = 0.6 } = options;
  const checked = { mass, probe, most };
  for (const [name, value] of Object.entries(checked)) {
    checkShare("make an adaptive method", name, value);
  }
  return described({
    name: "adaptive",
    options: checked,
    governsPrefill: true,
    planPrefill: (context) => planChunk(context, checked),
    ...denseDecode,
  });
}

async function planChunk(context: PrefillContext, options: Checked): Promise<ChosenPlan[]> {
  const { heads, qStart, qLen, kvLength, window } = context;
  if (window !== null && window < kvLength) return sameClaim(heads, "window", qStart);
  const { credit: before, decisions: old } = recall(context);
  const whole = denseArea(qStart, qLen);
  const credit = before + options.probe * whole;
  const count = affordable(context, credit);
  const looked = count > 0 ? await lookAtHeads(context, options, count) : null;
  const decisions = looked?.decisions ?? old;
  const plans = await plansOf(context, decisions, looked?.scores ?? null);
  const saved = plans.reduce((sum, { claim }) => sum + 1 - claim!.tileShare, 0) / heads.length;
  const spent = looked?.spent ?? 0;
  remember(context, {
    credit: credit - spent + REINVESTED * saved * whole,
    decisions: new Map([...old, ...decisions]),
  });
  return plans;
}

function sameClaim(
  heads: readonly number[],
  why: MassClaim["why"],
  qStart: number,
): ChosenPlan[] {
  const plan: DensePlan = { kind: "dense", claim: denseClaim(why, qStart) };
  return heads.map(() => plan);
}

/** Heads that are planned together share a credit. */
function keyOf({ layer, heads }: PrefillContext): string {
  return `adaptive ${layer} ${heads.join()}`;
}

function recall(context: PrefillContext): LayerMemory {
  const known = context.memory.get(keyOf(context)) as LayerMemory | undefined;
  return known ?? { credit: 0, decisions: new Map() };
}

function remember(context: PrefillContext, known: LayerMemory): void {
  context.memory.set(keyOf(context), known);
}

/** Pairs of queries and keys that a group costs. */
function groupCost({ kvLength }: PrefillContext): number {
  return CHARGE * GROUP_ROWS * kvLength;
}

/** How many groups may propose plans, and as many check them; 0: too few. */
function affordable(context: PrefillContext, credit: number): number {
  const most = Math.min(MOST_GROUPS, groupCount(context) >> 1);
  const count = Math.min(most, Math.floor(credit / groupCost(context) / 2));
  return count < LEAST_GROUPS ? 0 : count;
}

/** What looking at a chunk found out. */
interface Looked {
  readonly decisions: ReadonlyMap<number, Decision>;
  readonly scores: BlockScores;
  /** Pairs of queries and keys that it cost each head. */
  readonly spent: number;
}

async function lookAtHeads(
  context: PrefillContext,
  options: Checked,
  count: number,
): Promise<Looked> {
  const { heads, layer, qStart } = context;
  const population = groupCount(context);
  const drawn = drawGroups(population, count, Math.imul(layer + 1, 0x9e3779b1) ^ qStart);
  const fit = await groupsOf(context, drawn.fit);
  const check = await groupsOf(context, drawn.check);
  const scores = await blockScores(context, heads);
  const decisions = new Map<number, Decision>();
  heads.forEach((head, x) => {
    const groups = { fit: fit[x]!, check: check[x]!, population };
    decisions.set(head, decide(context, options, groups, scoresOfHead(scores, x)));
  });
  return {
    decisions,
    scores,
    spent: 2 * count * groupCost(context) + scores.rows * scores.columns,
  };
}

/** The groups of each head. */
async function groupsOf(context: PrefillContext, numbers: readonly number[]) {
  const { heads, qLen, estimates } = context;
  const groups: RowGroup[][] = heads.map(() => []);
  for (const number of numbers) {
    const row = number * GROUP_ROWS;
    const rows = Math.min(GROUP_ROWS, qLen - row);
    const sums = await estimates.verticalSlash(heads, rows, qLen - row - rows);
    sums.forEach((sum, x) => groups[x]!.push(new RowGroup(context, number, sum)));
  }
  return groups;
}

function blockScores({ estimates }: PrefillContext, heads: readonly number[]) {
  return estimates.blockScores(heads, { block: 64, softmax: true });
}

/** The groups of a head that were drawn out of `population`. */
interface HeadGroups {
  readonly fit: readonly RowGroup[];
  readonly check: readonly RowGroup[];
  readonly population: number;
}

const DENSE: Decision = { choice: { kind: "dense" }, measured: null, why: "no gain" };

function decide(
  context: PrefillContext,
  options: Checked,
  groups: HeadGroups,
  scores: BlockScores,
): Decision {
  const candidates = candidatesOf(context, options, groups.fit, scores)
    .sort((a, b) => a.share - b.share);
  for (const [tried, candidate] of candidates.entries()) {
    const masses = groups.check.map((group) => massOf(candidate, group));
    if (meanOf(masses) < options.mass) continue;
    const measured = measure(candidate, groups, masses, tried + 1, context.qStart);
    return { choice: candidate.choice, measured, why: "cheapest" };
  }
  return DENSE;
}

function candidatesOf(
  context: PrefillContext,
  { mass, most }: Checked,
  groups: readonly RowGroup[],
  scores: BlockScores,
): Candidate[] {
  const fitted = { groups, mass, most };
  const found = [...streamingCandidates(fitted), ...slashCandidates(fitted)];
  if (found.some(({ share }) => share <= WORTH_BLOCKS)) return found;
  return [...found, ...blockCandidates(fitted, scores, context)];
}

function massOf(candidate: Candidate, group: RowGroup): GroupMass {
  return { rows: group.rows, mass: candidate.kept(group) };
}

function meanOf(groups: readonly GroupMass[]): number {
  return groups.reduce((sum, { mass }) => sum + mass, 0) / groups.length;
}

function measure(
  candidate: Candidate,
  { fit, population }: HeadGroups,
  check: readonly GroupMass[],
  tries: number,
  qStart: number,
): MeasuredMass {
  const masses = { fit: fit.map((group) => massOf(candidate, group)), check, population };
  if (fit.length + check.length < population) return estimatedMass(masses, tries, qStart);
  return certifiedMass([...check, ...masses.fit], qStart);
}

/** Plans with their claims. */
async function plansOf(
  context: PrefillContext,
  decisions: ReadonlyMap<number, Decision>,
  scores: BlockScores | null,
): Promise<ChosenPlan[]> {
  const { heads, qStart } = context;
  const ofHead = await scoresOf(context, decisions, scores);
  const dense = new Map<string, DensePlan>();
  return heads.map((head): ChosenPlan => {
    const { choice, measured, why } = decisions.get(head) ?? { ...DENSE, why: "not looked" };
    if (measured === null) {
      const plan: DensePlan = dense.get(why) ?? { kind: "dense", claim: denseClaim(why, qStart) };
      dense.set(why, plan);
      return plan;
    }
    const plan = choice.kind === "blockShare"
      ? blockPlan(ofHead(head), context, choice.share)
      : choice;
    return claimed(plan, measured, context);
  });
}

/** Scores of blocks of the heads that need them: those that are there, or those of a chunk that is not looked at. */
async function scoresOf(
  context: PrefillContext,
  decisions: ReadonlyMap<number, Decision>,
  scores: BlockScores | null,
): Promise<(head: number) => BlockScores> {
  const { heads } = context;
  if (scores) return (head) => scoresOfHead(scores, heads.indexOf(head));
  const some = heads.filter((head) => isBlocks(decisions.get(head)?.choice));
  const found = some.length > 0 ? await blockScores(context, some) : null;
  return (head) => scoresOfHead(found!, some.indexOf(head));
}

function isBlocks(choice: Choice | undefined): choice is BlockShare {
  return choice?.kind === "blockShare";
}

function claimed(
  plan: ChosenPlan,
  measured: MeasuredMass,
  context: PrefillContext,
): ChosenPlan {
  const { qStart, qLen } = context;
  const kind = measured.from === qStart ? measured.kind : "carried";
  const tileShare = areaOf(plan, context) / denseArea(qStart, qLen);
  return { ...plan, claim: { ...measured, kind, tileShare, why: "cheapest" } };
}
