import { attentionMap, type AttentionMapOptions } from "./attention_map.ts";
import { attentionRow, type AttentionRowOptions } from "./attention_row.ts";
import { compare, type CompareFiguresOptions } from "./compare.ts";
import type { Figure } from "./figure.ts";
import type { Followed } from "./watch/follow.ts";
import { gallery } from "./gallery.ts";
import { headGrid, type HeadGridOptions, type HeadMatrix, type HeadValue } from "./head_grid.ts";
import { indexReport, type IndexReportOptions, type IndexReportRow } from "./index_report.ts";
import { kvTimeline, type KvTimelineStep } from "./kv_timeline.ts";
import { latency, type LatencyOptions, type LatencyPoint } from "./latency.ts";
import { logitTable, type LogitTableOptions, type MethodLogits } from "./logit_table.ts";
import { live, type Watched } from "./live.ts";
import type { LiveGeneration, LiveOptions, LiveRun } from "./watch/live_types.ts";
import { progress, type ProgressOptions } from "./progress.ts";
import type { AttentionMatrix, PooledAttention } from "./map/map_grid.ts";
import {
  type NeedleAnswer,
  type NeedleCell,
  needleGrid,
  type NeedleGridOptions,
} from "./needle_grid.ts";
import type { FigureOptions } from "./options.ts";
import {
  type PatternFile,
  patternGrid,
  type PatternHead,
  type PatternLayer,
} from "./pattern_grid.ts";
import {
  patternOverlay,
  type PatternOverlayOptions,
  type PlannedRows,
  type PlanValue,
} from "./pattern_overlay.ts";
import { type HeadShift, queryKeyShift } from "./query_key_shift.ts";
import { type BudgetTrial, recallBudget, type RecallBudgetOptions } from "./recall_budget.ts";
import {
  type RetrievalRow,
  retrievalTrace,
  type RetrievalTraceOptions,
} from "./retrieval_trace.ts";
import { roofline, type RooflineData } from "./roofline.ts";
import { type RunParts, type RunReport, runSummary } from "./run_summary.ts";
import { tokenHeat, type TokenHeatOptions, type TokenScores } from "./token_heat.ts";

/** Figures: each takes plain data and options, and gives a {@link Figure}. */
export interface Plots {
  /** Where one head looks, for all queries of a text: pooled map, strips, plan overlay. */
  readonly attentionMap: (
    data: PooledAttention | AttentionMatrix,
    options?: AttentionMapOptions,
  ) => Figure;
  /** Where one query looks: its weight on every key, the largest named, what was attended. */
  readonly attentionRow: (probs: ArrayLike<number>, options?: AttentionRowOptions) => Figure;
  /** A text shaded by one or several kinds of scores. */
  readonly tokenHeat: (
    tokens: readonly string[],
    scores: TokenScores | Readonly<Record<string, TokenScores>>,
    options?: TokenHeatOptions,
  ) => Figure;
  /** Any number of every head, layers by heads: printed, or by colour, circle and letter. */
  readonly headGrid: (
    data: HeadMatrix | readonly HeadValue[],
    options?: HeadGridOptions,
  ) => Figure;
  /** What an index fetched over the text at each step, what that cost, and what it missed. */
  readonly retrievalTrace: (
    rows: readonly RetrievalRow[],
    options?: RetrievalTraceOptions,
  ) => Figure;
  /** Why an index that was made for keys fails for queries: where both lie, and how far from the keys. */
  readonly queryKeyShift: (heads: readonly HeadShift[], options?: FigureOptions) => Figure;
  /** Is an index good and fast enough: recall, kept mass and time against scanned keys. */
  readonly indexReport: (rows: readonly IndexReportRow[], options?: IndexReportOptions) => Figure;
  /** How a head's cache evolves: keys that are always attended, retrieved, and appended to the index. */
  readonly kvTimeline: (steps: readonly KvTimelineStep[], options?: FigureOptions) => Figure;
  /** Right answers by length and depth, a grid for each method. */
  readonly needleGrid: (
    rows: readonly NeedleCell[] | readonly NeedleAnswer[],
    options?: NeedleGridOptions,
  ) => Figure;
  /** Where the time of a run went, what its keys and values take, what was scanned and attended. */
  readonly runSummary: (data: RunReport | RunParts, options?: FigureOptions) => Figure;
  /** How near kernels come to what a machine can read and multiply, by arithmetic intensity. */
  readonly roofline: (data: RooflineData, options?: FigureOptions) => Figure;
  /** Does a plan keep what a head attends to: its attention, what is left out faded, what is missed marked. */
  readonly patternOverlay: (
    data: PooledAttention | AttentionMatrix,
    plan: PlanValue | readonly PlannedRows[],
    options?: PatternOverlayOptions,
  ) => Figure;
  /** Which pattern each head has, layers by heads, and its tile share: of rows, a head file, or plans. */
  readonly patternGrid: (
    data: readonly PatternHead[] | PatternFile | readonly PatternLayer[],
    options?: FigureOptions,
  ) => Figure;
  /** What methods keep of the attention for the tiles they compute: mean and weakest heads of each budget. */
  readonly recallBudget: (
    trials: readonly BudgetTrial[],
    options?: RecallBudgetOptions,
  ) => Figure;
  /** Did methods change the prediction: likeliest next tokens, ranks, divergence. */
  readonly logitTable: (
    methods: readonly MethodLogits[],
    options?: LogitTableOptions,
  ) => Figure;
  /** From which length on methods pay: time of a prefill against its length, and memory where it is told. */
  readonly latency: (points: readonly LatencyPoint[], options?: LatencyOptions) => Figure;
  /** Figures beside each other; colours of the same measure mean the same in all of them. */
  readonly compare: (figures: readonly Figure[], options?: CompareFiguresOptions) => Figure;
  /** All figures on made-up data, to see what there is. */
  readonly gallery: () => Figure;
  /**
   * Shows how far a run has come, with tokens a second and the time left, and gives the run's result:
   * `await plot.progress(session.prefill(text))`. One updated display in a notebook, one line in a terminal, nothing
   * elsewhere. Errors come through after the display says where the run stopped.
   */
  readonly progress: <Result>(
    run: Followed<{ readonly kind: string }, Result>,
    options?: ProgressOptions,
  ) => Promise<Result>;
  /**
   * Follows a generation in one panel and gives its result, with the last frame as `figure`:
   * `const { text } = await plot.live(session.ask("..."))`. One updated display in a notebook, one line in a terminal,
   * nothing elsewhere. Errors come through after the panel says what happened: `CancelledError` where it was stopped.
   */
  readonly live: <Result extends LiveGeneration>(
    run: LiveRun<Result>,
    options?: LiveOptions,
  ) => Promise<Result & Watched>;
}

/** All figures. */
export const plot: Plots = {
  live,
  progress,
  attentionMap,
  attentionRow,
  tokenHeat,
  headGrid,
  retrievalTrace,
  queryKeyShift,
  indexReport,
  kvTimeline,
  needleGrid,
  runSummary,
  roofline,
  patternOverlay,
  patternGrid,
  recallBudget,
  logitTable,
  latency,
  compare,
  gallery,
};
