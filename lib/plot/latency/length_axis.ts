/** Axes of lengths, as logarithms. */

/** Room beside the outermost points, as a factor. */
const ROOM = 1.25;
/** Width that the text of a length takes. */
const TICK = 52;

/** A domain with some room about values above 0. */
export function extentOf(values: readonly number[]): [number, number] {
  return [Math.min(...values) / ROOM, Math.max(...values) * ROOM];
}

/** Lengths that were measured, those that have room on an axis of so many pixels. */
export function lengthTicks(
  points: readonly { readonly tokens: number }[],
  [low, high]: readonly [number, number],
  room: number,
): number[] {
  const lengths = new Set(points.map(({ tokens }) => tokens));
  const pixels = room / Math.log(high / low);
  const ticks: number[] = [];
  for (const tokens of [...lengths].sort((a, b) => b - a)) {
    const next = ticks.at(-1);
    if (!next || pixels * Math.log(next / tokens) >= TICK) ticks.push(tokens);
  }
  return ticks;
}
