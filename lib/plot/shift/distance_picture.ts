/** Distributions of distances as SVG. */
import { chart, type Plot } from "../draw/chart.ts";
import { decadeTicks, tickMarks } from "../draw/log_axis.ts";
import { percentText, shortNumber } from "../draw/number_text.ts";
import { planeOf } from "../draw/plane.ts";
import { label } from "../draw/svg.ts";
import type { ShiftDistances } from "./shift_data.ts";
import { LOOKS, symbolMark } from "./shift_looks.ts";

/** A bin and the shares of the keys and of the queries in it. */
interface Bin {
  readonly start: number;
  readonly end: number;
  readonly keys: number;
  readonly queries: number;
}

const HEIGHT = 134;
const MARGIN = { top: 42, right: 16, bottom: 20, left: 18 };
const TITLE = 12;
const MEDIANS = 28;
/** Where the median of the queries is told, from that of the keys. */
const SECOND = 132;
const NO_LABEL = { label: "", labelAnchor: "center" } as const;

/** Draws keys as areas and queries as an outline, with both medians. */
export function drawDistances(
  distances: ShiftDistances,
  { title, width }: { readonly title: string; readonly width: number },
): Promise<string> {
  const bins = binsOf(distances);
  const domain = domainOf(distances);
  const most = Math.max(...bins.flatMap(({ keys, queries }) => [keys, queries]));
  return chart((plot) => ({
    ...planeOf(width, HEIGHT, MARGIN),
    x: { type: "log", domain, axis: null },
    y: { domain: [0, most], axis: null },
    marks: [
      ...tickMarks(plot, "x", { ...NO_LABEL, ticks: decadeTicks(domain), text: shortNumber }),
      plot.ruleY([0]),
      ...binMarks(plot, bins, most),
      ...medianMarks(plot, distances, domain[0]),
    ],
  }), (svg) => svg.insertAdjacentHTML("beforeend", heading(distances, title)));
}

function binsOf({ edges, keys, queries }: ShiftDistances): Bin[] {
  const [ofKeys, ofQueries] = [sharesOf(keys.counts), sharesOf(queries.counts)];
  return ofKeys.map((share, i) => ({
    start: edges[i]!,
    end: edges[i + 1]!,
    keys: share,
    queries: ofQueries[i]!,
  }));
}

function sharesOf(counts: ArrayLike<number>): number[] {
  const all = Array.from(counts);
  const total = all.reduce((sum, count) => sum + count, 0);
  return all.map((count) => count / total);
}

/** Areas of keys, the outline of queries, and over both what the pointer meets. */
function binMarks(plot: Plot, bins: readonly Bin[], most: number) {
  const sides = { x1: "start", x2: "end", y1: 0, y2: most, inset: 0 };
  const area = { fill: LOOKS.keys.colour, fillOpacity: 0.45 };
  const outline = { stroke: LOOKS.queries.colour, strokeWidth: 1.6 };
  return [
    plot.areaY(stepsOf(bins, "keys"), { x: "0", y1: 0, y2: "1", ...area }),
    plot.line(stepsOf(bins, "queries"), { x: "0", y: "1", ...outline }),
    plot.rectY(bins, { ...sides, fill: "none", pointerEvents: "all", title: titleOf }),
  ];
}

/** The upper edge of bars, from 0 to 0. */
function stepsOf(bins: readonly Bin[], kind: "keys" | "queries"): [x: number, y: number][] {
  const tops = bins.flatMap(({ start, end, [kind]: share }): [number, number][] => [
    [start, share],
    [end, share],
  ]);
  return [[bins[0]!.start, 0], ...tops, [bins.at(-1)!.end, 0]];
}

function titleOf({ start, end, keys, queries }: Bin): string {
  return `${shortNumber(start)} .. ${shortNumber(end)}\n` +
    `${percentText(keys)} of the keys, ${percentText(queries)} of the queries`;
}

function medianMarks(plot: Plot, { keys, queries }: ShiftDistances, low: number) {
  const line = { strokeWidth: 1.5, pointerEvents: "none" } as const;
  const dashed = { ...line, stroke: LOOKS.queries.colour, strokeDasharray: "4 3" };
  return [
    plot.ruleX([Math.max(low, keys.median)], { ...line, stroke: LOOKS.keys.colour }),
    plot.ruleX([Math.max(low, queries.median)], dashed),
  ];
}

/** The title, and the medians with the symbols of keys and queries. */
function heading({ keys, queries }: ShiftDistances, title: string): string {
  const ratio = keys.median > 0 ? ` (${shortNumber(queries.median / keys.median)} x)` : "";
  const [first, second] = [MARGIN.left, MARGIN.left + SECOND];
  return label(title, { x: first, y: TITLE }) +
    symbolMark("keys", first + 4, MEDIANS - 4) +
    label(`keys: median ${shortNumber(keys.median)}`, { x: first + 12, y: MEDIANS }) +
    symbolMark("queries", second + 4, MEDIANS - 4) +
    label(`queries: median ${shortNumber(queries.median)}${ratio}`, { x: second + 12, y: MEDIANS });
}

/** All distances, and on both sides of them a number to tell where there are not two of them within. */
function domainOf({ edges, keys, queries }: ShiftDistances): [number, number] {
  const low = edges[0]!;
  const high = Math.max(edges[edges.length - 1]!, keys.median, queries.median);
  if (decadeTicks([low, high]).length > 1) return [low, high];
  return [decadeTicks([low / 10, low]).at(-1)!, decadeTicks([high, 10 * high])[0]!];
}
