import { attentionMap } from "./attention_map.ts";
import { attentionRow } from "./attention_row.ts";
import { compare } from "./compare.ts";
import type { Figure } from "./figure.ts";
import { headGrid } from "./head_grid.ts";
import { indexReport } from "./index_report.ts";
import { kvTimeline } from "./kv_timeline.ts";
import { latency } from "./latency.ts";
import { logitTable } from "./logit_table.ts";
import { needleGrid } from "./needle_grid.ts";
import { patternGrid } from "./pattern_grid.ts";
import { patternOverlay } from "./pattern_overlay.ts";
import { queryKeyShift } from "./query_key_shift.ts";
import { recallBudget } from "./recall_budget.ts";
import { retrievalTrace } from "./retrieval_trace.ts";
import { roofline } from "./roofline.ts";
import { runSummary } from "./run_summary.ts";
import {
  SYNTHETIC_VOCABULARY,
  syntheticAttention,
  syntheticBudgets,
  syntheticHeads,
  syntheticLatency,
  syntheticLogits,
  syntheticNeedles,
  syntheticPatterns,
  syntheticPlan,
  syntheticRetrieval,
  syntheticRoofline,
  syntheticRun,
  syntheticTokens,
} from "./synthetic.ts";
import {
  syntheticIndexes,
  syntheticMemory,
  syntheticShifts,
  syntheticTimeline,
} from "./synthetic_retrieval.ts";
import { tokenHeat } from "./token_heat.ts";

const TOKENS = 160;

/**
 * All figures, one below the other, drawn from made-up data, which their titles say. Needs no model.
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * await plot.gallery().html();
 * ```
 */
export function gallery(): Figure {
  const figures = Object.values(galleryFigures());
  return compare(figures, { title: "Figures of Longlens, on synthetic data", columns: 1 });
}

/** The figures of the gallery by name. */
export function galleryFigures(): Readonly<Record<string, Figure>> {
  const tokens = syntheticTokens(TOKENS);
  const attention = syntheticAttention(TOKENS, 8);
  const lastRow = Array.from(attention.values).slice(-TOKENS);
  const label = "retrieval score";
  return {
    attentionMap: attentionMap(attention, {
      tokens,
      title: titled("Attention of layer 3, head 1"),
    }),
    attentionRow: attentionRow(lastRow, { tokens, title: titled("Attention of the last query") }),
    tokenHeat: tokenHeat(tokens, { attention: lastRow }, {
      title: titled("Where the last query looks"),
    }),
    headGrid: headGrid(syntheticHeads(8, 8, 2), { label, title: titled("Retrieval heads") }),
    retrievalTrace: retrievalTrace(syntheticRetrieval(14), {
      tokens: syntheticTokens(4200),
      title: titled("What layer 3, head 1 retrieved"),
    }),
    needleGrid: needleGrid(syntheticNeedles(), {
      title: titled("Right answers by length and depth"),
    }),
    runSummary: runSummary(syntheticRun(), { title: titled("Where 11.3 s went") }),
    roofline: roofline(syntheticRoofline(), { title: titled("Kernels of a laptop") }),
    patternOverlay: patternOverlay(attention, syntheticPlan(), {
      bins: TOKENS / 2,
      title: titled("What columns and diagonals keep of layer 3, head 1"),
    }),
    patternGrid: patternGrid(syntheticPatterns(6, 6), { title: titled("Patterns of heads") }),
    recallBudget: recallBudget(syntheticBudgets(), { title: titled("Kept attention by tiles") }),
    logitTable: logitTable(syntheticLogits(), {
      tokenOf: (id) => SYNTHETIC_VOCABULARY[id]!,
      title: titled("The next token"),
    }),
    latency: latency(syntheticLatency(), { title: titled("Time of a prefill") }),
    queryKeyShift: queryKeyShift(syntheticShifts(), { title: titled("Queries and keys") }),
    indexReport: indexReport(syntheticIndexes(), {
      topK: 100,
      title: titled("What indexes find for the keys they scan"),
    }),
    kvTimeline: kvTimeline(syntheticTimeline(48), { title: titled("Keys of layer 2, head 0") }),
    memory: latency(syntheticMemory(), { title: titled("Time and memory of a prefill") }),
    compare: compare([
      headGrid(syntheticHeads(8, 8, 2), { label, title: titled("Before") }),
      headGrid(syntheticHeads(8, 8, 5), { label, title: titled("After") }),
    ], { width: 960 }),
  };
}

function titled(title: string): string {
  return `${title} (synthetic data)`;
}
