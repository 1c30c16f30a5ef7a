/** Axes of lengths, as logarithms. */

/** Width that the text of a length takes. */
const TICK = 52;

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
