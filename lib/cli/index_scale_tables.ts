/** Tables of trials on growing key sets. */
import {
  type IndexScaleRow,
  leastScanned,
  meanTrials,
  type Wanted,
} from "../eval/index_scaling.ts";
import { powerLaw } from "../eval/power_law.ts";
import { percent } from "./format.ts";
import { headMean, leastColumn, meanColumn } from "./head_means.ts";
import { table } from "./table.ts";

/** What an index must reach, by name. */
const GOALS: Readonly<Record<string, Wanted>> = {
  "mass 97 %": { massShare: 0.97, massShare5: 0.93 },
  "mass of found 97 %": { foundShare: 0.97, foundShare5: 0.93 },
  "recall 95 %": { recall: 0.95 },
};

/** What each index found at each effort, in the mean over heads. */
export function scaleTable(rows: readonly IndexScaleRow[]): string {
  const groups = Map.groupBy(rows, (row) => {
    return `${row.source} ${row.keys} ${row.parameter} ${row.effort}`;
  });
  return table([...groups.values()].map((some) => ({ name: "", rows: some })), [
    { title: "set", cell: ({ rows: [row] }) => row!.source },
    { title: "keys", align: "right", cell: ({ rows: [row] }) => `${row!.keys}` },
    { title: "index", cell: ({ rows: [row] }) => row!.parameter },
    { title: "effort", cell: ({ rows: [row] }) => row!.effort },
    meanColumn("scanned", ({ scanned, keys }) => scanned / keys),
    meanColumn("recall", ({ recall }) => recall),
    leastColumn("least", ({ recall }) => recall),
    meanColumn("mass of exact's", ({ massShare }) => massShare),
    meanColumn("5th percentile", ({ massShare5 }) => massShare5),
    meanColumn("of found", ({ foundShare }) => foundShare),
    meanColumn("5th percentile", ({ foundShare5 }) => foundShare5),
    meanColumn("us/search", ({ searchMs }) => 1000 * searchMs, (us) => us.toFixed(0)),
    meanColumn("build s", ({ buildMs }) => buildMs / 1000, (s) => s.toFixed(1)),
  ]);
}

/** Keys that one KV head's searches had to score for a goal. */
interface Need {
  readonly source: string;
  readonly keys: number;
  readonly parameter: string;
  readonly head: string;
  readonly goal: string;
  /** `null` where no effort reached it. */
  readonly scanned: number | null;
  /** Whether the least effort reached it, so that fewer keys may do. */
  readonly fewerMayDo: boolean;
}

function allNeeds(rows: readonly IndexScaleRow[]): Need[] {
  const groups = Map.groupBy(rows, (row) => {
    return `${row.source} ${row.keys} ${row.parameter} ${row.layer}:${row.kvHead}`;
  });
  return [...groups.values()].flatMap((some) => {
    const { source, keys, parameter, layer, kvHead } = some[0]!;
    const trials = meanTrials(some);
    const least = Math.min(...trials.map((trial) => trial.scanned));
    return Object.entries(GOALS).map(([goal, wanted]) => {
      const place = { source, keys, parameter, head: `${layer}:${kvHead}`, goal };
      const scanned = leastScanned(trials, wanted);
      return { ...place, scanned, fewerMayDo: trials.length > 1 && scanned === least };
    });
  });
}

/** The least share of keys that had to be scored for each goal. */
export function needs(rows: readonly IndexScaleRow[]): string {
  const groups = Map.groupBy(allNeeds(rows), (need) => {
    return `${need.source} ${need.keys} ${need.parameter} ${need.goal}`;
  });
  return table([...groups.values()], [
    { title: "set", cell: ([need]) => need!.source },
    { title: "keys", align: "right", cell: ([need]) => `${need!.keys}` },
    { title: "index", cell: ([need]) => need!.parameter },
    { title: "for", cell: ([need]) => need!.goal },
    { title: "scanned", align: "right", cell: (some) => shareText(some, meanNeed(some)) },
    { title: "most", align: "right", cell: (some) => shareText(some, mostNeed(some)) },
    { title: "heads", align: "right", cell: (some) => `${reached(some).length}/${some.length}` },
  ]);
}

function reached(some: readonly Need[]): number[] {
  return some.flatMap(({ scanned }) => scanned ?? []);
}

function meanNeed(some: readonly Need[]): number | null {
  const all = reached(some);
  return all.length < some.length ? null : headMean({ name: "", rows: all }, (need) => need);
}

function mostNeed(some: readonly Need[]): number | null {
  return reached(some).length < some.length ? null : Math.max(...reached(some));
}

function shareText(some: readonly Need[], scanned: number | null): string {
  if (scanned === null) return "-";
  const sign = some.some(({ fewerMayDo }) => fewerMayDo) ? "<= " : "";
  return `${sign}${percent(scanned / some[0]!.keys)}`;
}

/**
 * Exponents of scanned against all keys of the synthetic sets: of the mean over heads, and of single heads. Sizes at which the
 * least effort was enough, or none, say nothing, and indexes without an effort have no exponent.
 */
export function exponents(rows: readonly IndexScaleRow[]): string {
  const varied = rows.filter(({ source, effort }) => source === "synthetic" && effort !== "");
  const drawn = allNeeds(varied);
  const groups = Map.groupBy(drawn, ({ parameter, goal }) => `${parameter}, ${goal}`);
  const lines = [...groups].flatMap(([name, some]) => {
    const single = [...Map.groupBy(some, ({ head }) => head).values()].map(exponentOf);
    const known = single.flatMap((exponent) => exponent ?? []);
    if (known.length === 0) return [];
    const [least, most] = [Math.min(...known), Math.max(...known)];
    return [{ name, mean: exponentOf(some), least, most, heads: known.length }];
  });
  if (lines.length === 0) return "No exponents: each takes two sizes at which a goal was reached.";
  return table(lines, [
    { title: "scanned ~ keys^e", cell: ({ name }) => name },
    { title: "mean", align: "right", cell: ({ mean }) => mean?.toFixed(2) ?? "-" },
    { title: "least", align: "right", cell: ({ least }) => least.toFixed(2) },
    { title: "most", align: "right", cell: ({ most }) => most.toFixed(2) },
    { title: "heads", align: "right", cell: ({ heads }) => `${heads}` },
  ]);
}

function exponentOf(some: readonly Need[]): number | null {
  const points = [...Map.groupBy(some, ({ keys }) => keys)].flatMap(([keys, sizes]) => {
    const scanned = meanNeed(sizes);
    const isKnown = scanned !== null && !sizes.some(({ fewerMayDo }) => fewerMayDo);
    return isKnown ? [[keys, scanned] as const] : [];
  });
  return points.length < 2 ? null : powerLaw(points).exponent;
}
