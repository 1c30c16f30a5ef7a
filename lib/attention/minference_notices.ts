import type { HeadFileModel } from "./head_file.ts";
import type { MinferenceEntry, MinferenceJson } from "./minference_file.ts";

/** Half of the heads keeping less than this of their attention is not what a search would have chosen. */
const LEAST_MEDIAN = 0.5;
/** Scores of one budget that differ by more than this were not all of one kind of head. */
const SPREAD = 0.1;

/** What makes a published file doubtful. */
export function minferenceNotices(layers: MinferenceJson, model: HeadFileModel): string[] {
  const entries = layers.flatMap((layer) => Object.values(layer));
  const missing = model.layers * model.heads - entries.length;
  const notices = [
    ...scoreNotices(entries.map(([, , , score]) => score)),
    ...budgetNotices(entries),
  ];
  if (missing > 0) {
    notices.push(`${missing} heads are not in the file and get 1000 columns and 6096 diagonals`);
  }
  return notices;
}

function scoreNotices(scores: readonly number[]): string[] {
  if (scores.length === 0) return [];
  if (areCounts(scores)) {
    return [
      "The scores are whole numbers: counts of wrong outputs from the second search, of which fewer are better, no " +
      "shares of attention",
    ];
  }
  const notices: string[] = [];
  const outside = scores.filter((score) => score < 0 || score > 1).length;
  if (outside > 0) {
    notices.push(`${outside} scores are no shares of attention: not between 0 and 1`);
  }
  const median = medianOf(scores);
  if (median < LEAST_MEDIAN) {
    notices.push(
      `Half of the scores are at most ${
        median.toFixed(3)
      }: patterns that keep so little of the attention were ` +
        "hardly chosen by them",
    );
  }
  return notices;
}

/** Whole numbers that are not all 0 or 1. */
function areCounts(scores: readonly number[]): boolean {
  return scores.every((score) => Number.isInteger(score)) && scores.some((score) => score > 1);
}

/** One budget for all, yet scores that spread as if each head had had the choice. */
function budgetNotices(entries: readonly MinferenceEntry[]): string[] {
  const budgets = new Set(entries.map(([type, v, s]) => `${type} ${v} ${s}`));
  const scores = entries.map(([, , , score]) => score);
  const [least, most] = [minimum(scores), -minimum(scores.map((score) => -score))];
  if (budgets.size !== 1 || !(most - least > (areCounts(scores) ? 1 : SPREAD))) return [];
  const [, v, s] = entries[0]!;
  return [
    `All ${entries.length} heads have the budgets ${v} and ${s}, but scores from ${least} to ${most}: the scores ` +
    "stand for other budgets",
  ];
}

function minimum(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
