/** Patterns with budgets such that each computes the same tile area on a text: only then do their scores compare. */
import type { HeadPattern } from "../attention/head_pattern.ts";
import { lower } from "../attention/lower.ts";
import type { PrefillContext } from "../attention/method.ts";
import type { HeadPlan } from "../attention/plan.ts";
import { tileArea } from "../attention/tile_area.ts";
import {
  LEAST_SLASH,
  LEAST_VERTICAL,
  type VerticalSlashBudget,
  VerticalSlashRanks,
} from "../attention/vertical_slash.ts";
import type { LayerProbe } from "../engine/head_probe.ts";

/** Tokens of a block of block-sparse candidates. */
const BLOCK = 64;
/** First tokens of A-shape candidates. */
const SINK = 128;
/** Shares of the budget that the columns of vertical-slash candidates take to begin with. */
const VERTICAL_SHARES = [0.01, 0.05, 0.2, 0.6];
/** Rows whose attention chooses columns and diagonals. */
const LAST_QUERIES = 64;

/** A kind of candidate: its pattern for each head, `null` where its least budget exceeds what there is. */
export type FittedFamily = readonly (HeadPattern | null)[];

/**
 * Candidates of the heads of a layer, in an order that depends on the number of tokens alone. The area of each, over that of
 * dense attention, is the largest up to `tileShare` that its budgets can give.
 */
export async function fitPatterns(
  probe: LayerProbe,
  tileShare: number,
  heads: number,
): Promise<FittedFamily[]> {
  const fit = new Fit(probe, tileShare);
  const [aShape, blocks] = [await fit.aShape(), fit.blockSparse()];
  const columns = fit.columnCounts();
  const slashed: (HeadPattern | null)[][] = columns.map(() => []);
  for (let head = 0; head < heads; head++) {
    const ranks = await fit.ranks(head);
    for (const [x, vertical] of columns.entries()) {
      slashed[x]!.push(await fit.verticalSlash(ranks, vertical));
    }
  }
  const same = (pattern: HeadPattern | null) => Array.from({ length: heads }, () => pattern);
  return [same(aShape), ...slashed, same(blocks)];
}

/** The chunks of a layer, and the area that each candidate may compute. */
class Fit {
  readonly #probe: LayerProbe;
  readonly #chunks: readonly PrefillContext[];
  readonly #budget: number;

  constructor(probe: LayerProbe, tileShare: number) {
    this.#probe = probe;
    this.#chunks = probe.contexts();
    this.#budget = tileShare * this.#area(() => ({ kind: "dense" }));
  }

  /** As wide a window as fits beside the least first tokens, then as many of these as fit beside it. */
  async aShape(): Promise<HeadPattern | null> {
    const area = (sink: number, window: number) =>
      this.#area(() => ({ kind: "streaming", sink, window }));
    const window = await this.#largest(1, (window) => area(SINK, window));
    if (window === null) return null;
    const sink = await this.#largest(SINK, (sink) => area(sink, window));
    return sink === null ? null : { kind: "aShape", sink, window };
  }

  /** Every row tile computes `topK` tiles, or as many as there are. */
  blockSparse(): HeadPattern | null {
    const seen = this.#chunks.flatMap(({ qStart, qLen }) =>
      Array.from(
        { length: Math.ceil(qLen / BLOCK) },
        (_, row) => Math.ceil(Math.min(qStart + (row + 1) * BLOCK, qStart + qLen) / BLOCK),
      )
    );
    const area = (topK: number) =>
      BLOCK ** 2 * seen.reduce((sum, tiles) => sum + Math.min(topK, tiles), 0);
    let topK = 1;
    while (topK < Math.max(...seen) && area(topK + 1) <= this.#budget) topK++;
    return topK < 2 ? null : { kind: "blockSparse", block: BLOCK, topK };
  }

  /** Columns that vertical-slash candidates begin with. */
  columnCounts(): number[] {
    const most = this.#budget / this.#probe.tokens;
    const counts = VERTICAL_SHARES.map((share) =>
      Math.max(LEAST_VERTICAL, Math.round(share * most))
    );
    return [...new Set(counts)];
  }

  /** Sums of a head's columns and diagonals in each chunk. */
  async ranks(head: number): Promise<VerticalSlashRanks[]> {
    const ranks: VerticalSlashRanks[] = [];
    for (const { estimates, kvLength } of this.#chunks) {
      await this.#probe.pause();
      const [sums] = await estimates.verticalSlash([head], LAST_QUERIES);
      ranks.push(new VerticalSlashRanks(sums!, kvLength));
    }
    return ranks;
  }

  /** As many diagonals as fit beside `least` columns, then as many columns as fit beside these. */
  async verticalSlash(
    ranks: readonly VerticalSlashRanks[],
    least: number,
  ): Promise<HeadPattern | null> {
    const area = (budget: VerticalSlashBudget) =>
      this.#area((chunk) => ranks[chunk]!.plan(budget, "blocks"));
    const slash = await this.#largest(LEAST_SLASH, (slash) => area({ vertical: least, slash }));
    if (slash === null) return null;
    const vertical = await this.#largest(least, (vertical) => area({ vertical, slash }));
    return vertical === null ? null : { kind: "verticalSlash", vertical, slash };
  }

  #area(planOf: (chunk: number) => HeadPlan): number {
    return this.#chunks.reduce(
      (sum, { qStart, qLen, kvLength }, chunk) =>
        sum + tileArea(lower(planOf(chunk), qStart, qLen, kvLength)),
      0,
    );
  }

  /** The largest size, `least` or above, whose area is within the budget; `null` where `least` is not. */
  async #largest(least: number, area: (size: number) => number): Promise<number | null> {
    const fits = async (size: number) => {
      await this.#probe.pause();
      return area(size) <= this.#budget;
    };
    if (!await fits(least)) return null;
    let [low, high] = [least, 2 * least];
    while (low < this.#probe.tokens && await fits(high)) [low, high] = [high, 2 * high];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await fits(middle)) low = middle;
      else high = middle;
    }
    return Math.min(low, this.#probe.tokens);
  }
}
