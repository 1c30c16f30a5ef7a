/** Which tokens of a long text are shown, and which are folded. */
import { shadeLevel } from "./heat_shade.ts";
import type { HeatRun, Metric } from "./heat_types.ts";
import { grouped, shortNumber } from "../draw/number_text.ts";
import { textWindows } from "../draw/text_windows.ts";

/** How much is shown. */
export interface RunOptions {
  /** Tokens shown at most. */
  readonly maxTokens: number;
  /** Tokens on each side of a large score. */
  readonly window: number;
}

/** Fewer tokens than these take no less room folded. */
const SHORTEST_FOLD = 8;

/** Texts are shown whole up to `maxTokens`; of longer ones the windows around the largest shares of shade. */
export function heatRuns(
  tokens: number,
  metrics: readonly Metric[],
  { maxTokens, window }: RunOptions,
): HeatRun[] {
  if (tokens <= maxTokens) return [{ start: 0, end: tokens, open: true }];
  const radius = Math.min(window, Math.floor((maxTokens - 1) / 2));
  const count = Math.floor(maxTokens / (2 * radius + 1));
  const windows = textWindows(inkOf(tokens, metrics), { count, radius });
  const open = windows.length > 0 ? windows : [{ start: 0, end: maxTokens }];
  return withFolds(open.toSorted((a, b) => a.start - b.start), tokens);
}

/** Largest share of shade of each token over all kinds of scores; 0 where no shade is seen. */
function inkOf(tokens: number, metrics: readonly Metric[]): Float64Array {
  return Float64Array.from({ length: tokens }, (_, token) => {
    const inks = metrics.map(({ values, scale }) => scale.ink(values[token]!));
    return Math.max(0, ...inks.filter((ink) => shadeLevel(ink) > 0));
  });
}

/** The open spans and what lies between them. */
function withFolds(open: readonly { start: number; end: number }[], tokens: number): HeatRun[] {
  const runs: HeatRun[] = [];
  const add = (start: number, end: number, open: boolean) => {
    const last = runs.at(-1);
    if (last?.open && open) runs[runs.length - 1] = { ...last, end };
    else if (end > start) runs.push({ start, end, open });
  };
  let at = 0;
  for (const { start, end } of [...open, { start: tokens, end: tokens }]) {
    add(at, start, start - at < SHORTEST_FOLD);
    add(start, end, true);
    at = end;
  }
  return runs;
}

/** What a folded run says: "… 3,912 tokens, largest attention 0.01 …". */
export function foldText({ start, end }: HeatRun, metrics: readonly Metric[]): string {
  const largest = metrics.map(({ name, values }) => {
    let most = NaN;
    for (let token = start; token < end; token++) {
      if (values[token]! > most || Number.isNaN(most)) most = values[token]!;
    }
    return metrics.length === 1 ? shortNumber(most) : `${shortNumber(most)} (${name})`;
  });
  return `\u2026 ${grouped(end - start)} tokens, largest ${largest.join(", ")} \u2026`;
}
