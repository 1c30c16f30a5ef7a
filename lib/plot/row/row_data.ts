/** What a row of attention is drawn from. */
import { type BinAxis, binAxis, poolRow } from "../draw/bins.ts";

/** A row in bins. */
export interface BinnedRow {
  /** Bins of the keys. */
  readonly axis: BinAxis;
  /** Largest weight of each bin. */
  readonly max: Float64Array;
  /** Mean weight of each bin. */
  readonly mean: Float64Array;
}

/** Neighbouring keys among the largest. */
export interface TopSpan {
  /** First key. */
  readonly start: number;
  /** After the last key. */
  readonly end: number;
  /** Sum of their weights. */
  readonly sum: number;
}

/** First key of a span and the one after its last. */
export type Span = readonly [start: number, end: number];

/** A row in at most `bins` bins. */
export function binnedRow(probs: ArrayLike<number>, bins: number): BinnedRow {
  const axis = binAxis(probs.length, bins);
  return { axis, max: poolRow(probs, axis, "max"), mean: poolRow(probs, axis, "mean") };
}

/** The `count` largest weights above 0, neighbours joined, in the order of the keys. */
export function topSpans(probs: ArrayLike<number>, count: number): TopSpan[] {
  const spans: TopSpan[] = [];
  for (const key of largest(probs, count).sort((a, b) => a - b)) {
    const last = spans.at(-1);
    const weight = probs[key]!;
    if (last?.end === key) {
      spans[spans.length - 1] = { ...last, end: key + 1, sum: last.sum + weight };
    } else spans.push({ start: key, end: key + 1, sum: weight });
  }
  return spans;
}

/** Spans of the keys whose weight is not 0. */
export function attendedSpans(probs: ArrayLike<number>): Span[] {
  const spans: [number, number][] = [];
  for (let key = 0; key < probs.length; key++) {
    if (probs[key] === 0) continue;
    const last = spans.at(-1);
    if (last?.[1] === key) last[1]++;
    else spans.push([key, key + 1]);
  }
  return spans;
}

function largest(probs: ArrayLike<number>, count: number): number[] {
  const keys: number[] = [];
  for (let key = 0; key < probs.length; key++) {
    if (!(probs[key]! > 0)) continue;
    const place = keys.findIndex((other) => probs[other]! < probs[key]!);
    if (place >= 0) keys.splice(place, 0, key);
    else keys.push(key);
    if (keys.length > count) keys.pop();
  }
  return keys;
}
