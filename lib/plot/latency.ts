import { bytesText, msText } from "./draw/number_text.ts";
import { lengthText } from "./draw/length_text.ts";
import { seriesText } from "./draw/series_text.ts";
import { Figure } from "./figure.ts";
import {
  checkTime,
  type LatencyCeiling,
  type LatencyPoint,
  type LatencySeries,
  latencySeries,
  tiersOf,
} from "./latency/latency_data.ts";
import { drawLatency, MOST_CEILINGS } from "./latency/latency_picture.ts";
import type { FigureOptions } from "./options.ts";

export type { LatencyCeiling, LatencyPoint } from "./latency/latency_data.ts";

/** Options of {@link latency}. */
export interface LatencyOptions extends FigureOptions {
  /**
   * Method that the others are compared with.
   * @default "dense"
   */
  readonly baseline?: string;
  /**
   * Times that the machine cannot stay below, as broken lines; 3 at most.
   * @default none
   */
  readonly ceilings?: readonly LatencyCeiling[];
}

/**
 * From which length on does a method pay? Time of a prefill against the length of its text, both as logarithms; points
 * are measured, lines only join them. A ring marks the first length from which a method is faster than the baseline at
 * every longer one. Where points tell bytes, memory against length stands below, a plane for each tier.
 *
 * @throws {RangeError} when there are no times, too many methods or lengths, or a number is not finite and > 0
 *
 * @example
 * ```ts
 * import { plot } from "@longlens/longlens";
 *
 * await plot.latency([
 *   { method: "dense", tokens: 4096, ms: 900 },
 *   { method: "dense", tokens: 8192, ms: 2600 },
 *   { method: "a-shape", tokens: 4096, ms: 950 },
 *   { method: "a-shape", tokens: 8192, ms: 2000 },
 * ]).svg();
 * ```
 */
export function latency(points: readonly LatencyPoint[], options: LatencyOptions = {}): Figure {
  const { width = 640 } = options;
  const { baseline = "dense", ceilings = [] } = options;
  const series = latencySeries(points, baseline);
  checkCeilings(ceilings);
  const title = options.title ?? titleOf(points);
  const factOf = (one: LatencySeries) => latencyFact(one, baseline);
  return new Figure({
    text: seriesText(title, series, (one) => `${factOf(one)}${memoryFact(one)}`),
    draw: (how) =>
      drawLatency({ series, ceilings, baseline, factOf, title, width: how.width ?? width }),
  });
}

function titleOf(points: readonly LatencyPoint[]): string {
  const isTold = tiersOf(points).length > 0;
  return isTold ? "Time and memory of a prefill by length" : "Time of a prefill by length";
}

/** What a method keeps where at its longest text. */
function memoryFact({ points }: LatencySeries): string {
  const last = points.at(-1)!;
  const parts = tiersOf([last]).map(({ bytes, name }) => `${name} ${bytesText(last[bytes]!)}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")} at ${lengthText(last.tokens)})`;
}

function checkCeilings(ceilings: readonly LatencyCeiling[]): void {
  if (ceilings.length > MOST_CEILINGS) {
    throw new RangeError(
      `Cannot draw latency as ceilings must be <= ${MOST_CEILINGS}: current value is ${ceilings.length}`,
    );
  }
  for (const { name, points } of ceilings) {
    for (const { tokens, ms } of points) checkTime(name, { tokens, ms });
  }
}

/** What a method takes at its longest text, and from where on it pays. */
function latencyFact(series: LatencySeries, baseline: string): string {
  const { points, breakEven, speedup, longest } = series;
  const last = points.at(-1)!;
  const time = `${msText(last.ms)} at ${lengthText(last.tokens)}`;
  if (longest === 0) return time;
  const [times, length] = [`${speedup.toFixed(speedup < 10 ? 2 : 0)} x`, lengthText(longest)];
  return breakEven
    ? `faster than ${baseline} from ${lengthText(breakEven.tokens)} on, ${times} at ${length}`
    : `not faster than ${baseline} at ${length}: ${times}`;
}
