/** Labels above a plot, each with a rule down to its place. */

import { textColumns } from "../draw/columns.ts";

/** A label that wants to be above a place. */
export interface PlaceLabel {
  /** What it says. */
  readonly text: string;
  /** Where it points. */
  readonly x: number;
}

/** A label that found room. */
export interface PlacedLabel extends PlaceLabel {
  /** Left end of its text. */
  readonly left: number;
  /** Line it stands on; line 0 is nearest to the plot. */
  readonly line: number;
}

/** Where labels may be. */
export interface LabelRoom {
  /** Left end. */
  readonly left: number;
  /** Right end. */
  readonly right: number;
  /** Lines at most. */
  readonly lines: number;
}

/** Width of a character, in a wide font. */
const CHARACTER = 6.2;
const GAP = 4;
/** Between a label and a rule beside it. */
const BESIDE = 3;

/** Share of a label that is left of its place: centred, mostly left, mostly right; tried in each of these orders. */
const ORDERS = [[0.5, 1, 0], [1, 0.5, 0], [0, 0.5, 1]];

/**
 * Gives labels room in their order; those that find none are left out. No label covers another or the rule of
 * another.
 */
export function placeLabels(labels: readonly PlaceLabel[], room: LabelRoom): PlacedLabel[] {
  const tries = ORDERS.map((order) => placedInOrder(labels, room, order));
  return tries.reduce((best, next) => next.length > best.length ? next : best);
}

function placedInOrder(
  labels: readonly PlaceLabel[],
  room: LabelRoom,
  order: readonly number[],
): PlacedLabel[] {
  const placed: PlacedLabel[] = [];
  for (const label of labels) {
    const places = candidates(label, room, order);
    const found = places.find((one) => placed.every((other) => agree(one, other)));
    if (found) placed.push(found);
  }
  return placed;
}

/** Width of a label's text. */
export function labelWidth(text: string): number {
  return CHARACTER * textColumns(text);
}

/** Places of a label, the lowest first. */
function candidates(
  label: PlaceLabel,
  { left, right, lines }: LabelRoom,
  order: readonly number[],
): PlacedLabel[] {
  const width = labelWidth(label.text);
  const starts = order.map((share) => {
    const start = label.x - share * (width + 2 * BESIDE) + BESIDE;
    return Math.max(left, Math.min(right - width, start));
  });
  return Array.from(
    { length: lines },
    (_, line) => starts.map((start) => ({ ...label, left: start, line })),
  ).flat();
}

function agree(a: PlacedLabel, b: PlacedLabel): boolean {
  if (a.line === b.line) return endOf(a) + GAP <= b.left || endOf(b) + GAP <= a.left;
  const [low, high] = a.line < b.line ? [a, b] : [b, a];
  return high.x < low.left - GAP / 2 || high.x > endOf(low) + GAP / 2;
}

function endOf({ left, text }: PlacedLabel): number {
  return left + labelWidth(text);
}
