/** Places of a long text that are worth showing: around its largest values. */

/** Tokens `start .. end-1`. */
export interface TextWindow {
  /** First token. */
  readonly start: number;
  /** After the last token. */
  readonly end: number;
  /** Sum of the values. */
  readonly sum: number;
}

/** Which windows are wanted. */
export interface WindowOptions {
  /** Windows at most; those that overlap are one. */
  readonly count: number;
  /** Tokens on each side of a peak. */
  readonly radius: number;
}

/** Windows around the largest of the positive values, the largest sum first. `NaN` counts as 0. */
export function textWindows(
  values: ArrayLike<number>,
  { count, radius }: WindowOptions,
): TextWindow[] {
  let spans: [start: number, end: number][] = [];
  for (let found = 0; found < count; found++) {
    const peak = peakOutside(values, spans);
    if (peak === null) break;
    const span = [Math.max(0, peak - radius), Math.min(values.length, peak + radius + 1)] as const;
    spans = merged(spans, span);
  }
  const windows = spans.map(([start, end]) => ({ start, end, sum: sumOf(values, start, end) }));
  return windows.sort((a, b) => b.sum - a.sum);
}

function peakOutside(
  values: ArrayLike<number>,
  spans: readonly (readonly [number, number])[],
): number | null {
  let peak: number | null = null;
  for (let position = 0; position < values.length; position++) {
    const inside = spans.find(([start, end]) => position >= start && position < end);
    if (inside) position = inside[1] - 1;
    else if (values[position]! > (peak === null ? 0 : values[peak]!)) peak = position;
  }
  return peak;
}

function merged(
  spans: readonly [number, number][],
  added: readonly [number, number],
): [number, number][] {
  const touches = ([start, end]: readonly [number, number]) => start <= added[1] && end >= added[0];
  const joined = spans.filter(touches);
  const start = Math.min(added[0], ...joined.map((span) => span[0]));
  const end = Math.max(added[1], ...joined.map((span) => span[1]));
  return [...spans.filter((span) => !touches(span)), [start, end]];
}

function sumOf(values: ArrayLike<number>, start: number, end: number): number {
  let sum = 0;
  for (let position = start; position < end; position++) sum += values[position] || 0;
  return sum;
}
