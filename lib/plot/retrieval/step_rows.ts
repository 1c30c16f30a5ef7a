/** Steps that are drawn as one row, and what became of the keys in them. */
import { type BinAxis, binAxis } from "../draw/bins.ts";
import { rangeOf } from "../draw/scale.ts";

/** Positions `start .. end-1`. */
export type KeyRange = readonly [start: number, end: number];

/** What one head did in one step. */
interface HeadStep {
  readonly step: number;
  readonly keys: number;
  readonly indices: ArrayLike<number>;
  readonly ranges?: readonly KeyRange[];
  readonly token?: string;
}

/** Steps that are drawn as one row. */
export interface StepRow {
  /** Texts of their tokens. */
  readonly tokens: readonly string[];
  /** First and last of the steps. */
  readonly steps: readonly [first: number, last: number];
  /** Keys there were at most. */
  readonly keys: number;
  /** Keys retrieved in each bin, over all heads. */
  readonly retrieved: Float64Array;
  /** Other keys that were attended by any head, such as sinks and windows, apart and rising. */
  readonly ranges: readonly KeyRange[];
}

/** More steps are drawn together. */
const MOST_ROWS = 120;

/** Steps, those together that are drawn as one row. */
export function inRows<Step>(steps: readonly Step[]): Step[][] {
  const { bins, firstOf } = binAxis(steps.length, MOST_ROWS);
  return Array.from({ length: bins }, (_, row) => steps.slice(firstOf(row), firstOf(row + 1)));
}

/** Gathers what was done in the steps of a row; rising ones. */
export function stepRow(own: readonly HeadStep[], axis: BinAxis): StepRow {
  const retrieved = new Float64Array(axis.bins);
  for (const { indices } of own) {
    for (const key of Array.from(indices)) retrieved[axis.binOf(key)]!++;
  }
  const texts = new Map(own.map(({ step, token }) => [step, token || String(step)]));
  return {
    tokens: [...texts.values()],
    steps: [own[0]!.step, own.at(-1)!.step],
    keys: mostKeys(own),
    retrieved,
    ranges: joinedRanges(own.flatMap(({ ranges = [] }) => ranges)),
  };
}

/** Keys there were at most. */
export function mostKeys(steps: readonly Pick<HeadStep, "keys">[]): number {
  return rangeOf(steps.map(({ keys }) => keys))[1];
}

/** Ranges that do not touch, rising. */
export function joinedRanges(ranges: readonly KeyRange[]): KeyRange[] {
  const joined: [start: number, end: number][] = [];
  for (const [start, end] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = joined.at(-1);
    if (start >= end) continue;
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
}
