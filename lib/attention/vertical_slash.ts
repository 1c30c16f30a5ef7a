import { topIndices } from "../retrieval/top_indices.ts";
import { checkCount } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import type { Method, PrefillContext, VerticalSlash } from "./method.ts";
import type { HeadPlan, SlashCover, VerticalSlashPlan } from "./plan.ts";
import { planUnlessWhole } from "./whole_heads.ts";

/** Options of {@link verticalSlash}. */
export interface VerticalSlashOptions {
  /**
   * Columns that every query sees; at least 30.
   * @default 1000
   */
  readonly vertical?: number;
  /**
   * Diagonals; at least 50.
   * @default 6096
   */
  readonly slash?: number;
  /**
   * Rows at the end of a chunk whose attention chooses them.
   * @default 64
   */
  readonly lastQueries?: number;
  /**
   * `chunk`: each chunk chooses anew. `extend`, as serving engines do: queries 100 rows before the end choose, and the last 100
   * columns are taken besides. `static`: what the first chunk with enough queries chose is kept for the later ones.
   * @default "chunk"
   */
  readonly variant?: "chunk" | "extend" | "static";
  /**
   * What is computed around diagonals: `blocks` of 32 keys from key 0, as CPU kernels multiply them, or MInference's `tiles`.
   * @default "blocks"
   */
  readonly cover?: SlashCover;
}

/** First columns and nearest diagonals that are always taken. */
const FORCED_COLUMNS = 30;
const FORCED_SLASHES = 100;
/** Fewer columns and diagonals than these are never taken. */
export const LEAST_VERTICAL = 30;
/** See {@link LEAST_VERTICAL}. */
export const LEAST_SLASH = 50;

/** The extend variant: rows between the queries that choose and the end. */
const EXTENDED = 100;

type Checked = Required<VerticalSlashOptions>;

/**
 * MInference's vertical-slash (Jiang et al. 2024, arXiv 2407.02490, Algorithm 2): the attention of each chunk's last queries,
 * summed by column and by diagonal, chooses the columns and diagonals that the chunk's queries see. What is computed is a
 * superset (`VerticalSlashPlan.cover`). Equal sums: the lower column, the nearer diagonal. Governs the prefill; single
 * queries see every key.
 *
 * @throws {RangeError} if an option is out of range
 */
export function verticalSlash(options: VerticalSlashOptions = {}): Method {
  const checked = checkOptions(options);
  return described({
    name: "verticalSlash",
    options: checked,
    governsPrefill: true,
    planPrefill: (context) => planVerticalSlash(context, checked, () => checked),
    ...denseDecode,
  });
}

function checkOptions(options: VerticalSlashOptions): Checked {
  const { vertical = 1000, slash = 6096, lastQueries = 64 } = options;
  const { variant = "chunk", cover = "blocks" } = options;
  const action = "make a verticalSlash method";
  checkCount(action, "vertical", vertical, 0);
  checkCount(action, "slash", slash, 0);
  checkCount(action, "lastQueries", lastQueries, 1);
  if (!["chunk", "extend", "static"].includes(variant)) {
    throw new RangeError(
      `Cannot ${action} as variant must be chunk, extend or static: current value is ${variant}`,
    );
  }
  if (!["blocks", "tiles"].includes(cover)) {
    throw new RangeError(
      `Cannot ${action} as cover must be blocks or tiles: current value is ${cover}`,
    );
  }
  return { vertical, slash, lastQueries, variant, cover };
}

/** How columns and diagonals are chosen. */
export type VerticalSlashRule = Pick<Checked, "lastQueries" | "variant" | "cover">;

/** How many columns and diagonals a head has. */
export type VerticalSlashBudget = Pick<Checked, "vertical" | "slash">;

/** Plans of heads with budgets of their own, by one estimate. */
export function planVerticalSlash(
  context: PrefillContext,
  rule: VerticalSlashRule,
  budgetOf: (head: number) => VerticalSlashBudget,
): Promise<HeadPlan[]> {
  if (rule.variant === "static") return planOnce(context, rule, budgetOf);
  if (rule.variant === "extend") return planChunk(context, rule, budgetOf);
  const isWhole = (head: number) => {
    const { vertical, slash } = budgetOf(head);
    return Math.max(vertical, slash) >= context.kvLength;
  };
  return planUnlessWhole(context, isWhole, (others) => planChunk(others, rule, budgetOf));
}

async function planChunk(
  { heads, qLen, kvLength, estimates }: PrefillContext,
  { lastQueries, variant, cover }: VerticalSlashRule,
  budgetOf: (head: number) => VerticalSlashBudget,
): Promise<HeadPlan[]> {
  const skipped = variant === "extend" ? Math.min(EXTENDED, qLen - 1) : 0;
  const sums = await estimates.verticalSlash(heads, lastQueries, skipped);
  return sums.map((sum, x) => {
    const { vertical, slash } = budgetOf(heads[x]!);
    const budget = { vertical: vertical + skipped, slash };
    return new VerticalSlashRanks(sum, kvLength).plan(budget, cover);
  });
}

/** What was chosen for the first chunk that has the queries to choose is kept. */
async function planOnce(
  context: PrefillContext,
  rule: VerticalSlashRule,
  budgetOf: (head: number) => VerticalSlashBudget,
): Promise<HeadPlan[]> {
  const { layer, heads, qLen, memory } = context;
  const keyOf = (head: number) => `verticalSlash ${layer} ${head}`;
  const missing = heads.filter((head) => !memory.has(keyOf(head)));
  const plans = new Map<number, HeadPlan>();
  if (missing.length > 0) {
    const chosen = await planChunk({ ...context, heads: missing }, rule, budgetOf);
    missing.forEach((head, x) => plans.set(head, chosen[x]!));
    if (qLen >= rule.lastQueries) plans.forEach((plan, head) => memory.set(keyOf(head), plan));
  }
  return heads.map((head) => plans.get(head) ?? memory.get(keyOf(head)) as HeadPlan);
}

/** Columns and diagonals of a chunk by their sums, to choose some of them, for one budget or for several. */
export class VerticalSlashRanks {
  readonly #columns: Float32Array;
  readonly #diagonals: Float32Array;

  /** Columns behind those that were summed, the first columns and the nearest diagonals come before all others. */
  constructor(sums: VerticalSlash, kvLength: number) {
    this.#columns = new Float32Array(kvLength).fill(Infinity);
    this.#columns.set(sums.vertical);
    this.#columns.fill(Infinity, 0, FORCED_COLUMNS);
    this.#diagonals = sums.slash.slice();
    this.#diagonals.fill(Infinity, 0, FORCED_SLASHES);
  }

  /** The columns and diagonals with the largest sums. */
  plan({ vertical, slash }: VerticalSlashBudget, cover: SlashCover): VerticalSlashPlan {
    return {
      kind: "verticalSlash",
      vertical: topIndices(this.#columns, Math.max(vertical, LEAST_VERTICAL)),
      slash: topIndices(this.#diagonals, Math.max(slash, LEAST_SLASH)),
      cover,
    };
  }
}
