/** Times of prefills by length. */

/** A prefill that was timed. */
export interface LatencyPoint {
  /** Method; its points have one colour and symbol. */
  readonly method: string;
  /** Tokens of the text. */
  readonly tokens: number;
  /** Milliseconds. */
  readonly ms: number;
  /**
   * Bytes of keys and values in the fast tier.
   * @default not told
   */
  readonly fastBytes?: number;
  /**
   * Bytes of keys and values in the slow tier.
   * @default not told
   */
  readonly slowBytes?: number;
  /**
   * Bytes of indexes.
   * @default not told
   */
  readonly indexBytes?: number;
}

/** Times that a machine cannot stay below. */
export interface LatencyCeiling {
  /** Its name. */
  readonly name: string;
  /** Least time of each length. */
  readonly points: readonly Pick<LatencyPoint, "tokens" | "ms">[];
}

/** Times of one method. */
export interface LatencySeries {
  /** The method. */
  readonly name: string;
  /** Least time of each length, lengths rising. */
  readonly points: readonly LatencyPoint[];
  /** First length from which it is faster than the baseline at all that both were measured at; `null` for none. */
  readonly breakEven: LatencyPoint | null;
  /** Time of the baseline over its own at the longest text that both were measured at; `NaN` where there is none. */
  readonly speedup: number;
  /** Tokens of that text; 0 where there is none. */
  readonly longest: number;
}

/** More methods or lengths than this are taken for a mistake. */
const MOST = { series: 64, lengths: 256 };

/**
 * Series of times against those of a baseline; of a method and length that occur again the least time counts.
 *
 * @throws {RangeError} when there are no times, too many methods or lengths, or a number is not finite and > 0
 */
export function latencySeries(points: readonly LatencyPoint[], baseline: string): LatencySeries[] {
  if (points.length === 0) throw wrong("there must be >= 1 times", 0);
  for (const point of points) {
    checkTime(point.method, { tokens: point.tokens, ms: point.ms });
    checkMemory(point);
  }
  const groups = [...Map.groupBy(points, ({ method }) => method)];
  checkMost("methods", groups.length, MOST.series);
  const series = groups.map(([name, own]) => ({ name, points: leastTimes(own) }));
  series.forEach(({ name, points }) =>
    checkMost(`lengths of ${name}`, points.length, MOST.lengths)
  );
  const base = series.find(({ name }) => name === baseline)?.points ?? [];
  return series.map((one) => ({ ...one, ...comparison(one.name === baseline ? [] : base, one) }));
}

/** Throws `RangeError` where a time or a length is not finite and > 0. */
export function checkTime(of: string, amounts: Readonly<Record<"tokens" | "ms", number>>): void {
  for (const [name, value] of Object.entries(amounts)) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw wrong(`${name} of ${of} must be finite and > 0`, value);
    }
  }
}

/** A place where bytes are. */
export interface MemoryTier {
  /** Field of its bytes. */
  readonly bytes: "fastBytes" | "slowBytes" | "indexBytes";
  /** What it is called. */
  readonly name: string;
}

/** Where bytes may be. */
const TIERS: readonly MemoryTier[] = [
  { bytes: "fastBytes", name: "fast tier" },
  { bytes: "slowBytes", name: "slow tier" },
  { bytes: "indexBytes", name: "index" },
];

/** The tiers of which some point tells a number above 0. */
export function tiersOf(points: readonly LatencyPoint[]): MemoryTier[] {
  return TIERS.filter(({ bytes }) => points.some((point) => (point[bytes] ?? 0) > 0));
}

function checkMemory(point: LatencyPoint): void {
  for (const { bytes } of TIERS) {
    const value = point[bytes] ?? 0;
    if (!(Number.isFinite(value) && value >= 0)) {
      throw wrong(`${bytes} of ${point.method} must be finite and >= 0`, value);
    }
  }
}

function leastTimes(points: readonly LatencyPoint[]): LatencyPoint[] {
  const byLength = Map.groupBy(points, ({ tokens }) => tokens);
  const least = [...byLength.values()].map((own) =>
    own.reduce((best, point) => point.ms < best.ms ? point : best)
  );
  return least.sort((a, b) => a.tokens - b.tokens);
}

function comparison(
  base: readonly LatencyPoint[],
  { points }: Pick<LatencySeries, "points">,
): Pick<LatencySeries, "breakEven" | "speedup" | "longest"> {
  const times = new Map(base.map(({ tokens, ms }) => [tokens, ms]));
  const common = points.filter(({ tokens }) => times.has(tokens));
  const last = common.at(-1);
  if (!last) return { breakEven: null, speedup: NaN, longest: 0 };
  const slow = common.findLastIndex(({ tokens, ms }) => ms >= times.get(tokens)!);
  const speedup = times.get(last.tokens)! / last.ms;
  return { breakEven: common[slow + 1] ?? null, speedup, longest: last.tokens };
}

function checkMost(name: string, count: number, most: number): void {
  if (count > most) throw wrong(`${name} must be <= ${most}`, count);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw latency as ${rule}: current value is ${value}`);
}
