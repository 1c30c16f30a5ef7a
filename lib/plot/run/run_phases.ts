/** Where the time of a run went, in whichever form it comes. */

/** A part of a run. */
export interface RunPhase {
  /** Its name. */
  readonly name: string;
  /** Milliseconds it took. */
  readonly ms: number;
  /**
   * Tokens it went through.
   * @default not shown
   */
  readonly tokens?: number;
}

/** What keys and values take: what `session.memory()` gives. */
export interface RunMemory {
  /** Bytes of all keys and values. */
  readonly kvBytes: number;
  /**
   * Bytes that the method needs at hand in every step, on a fast tier.
   * @default not shown
   */
  readonly residentBytes?: number;
  /**
   * Tokens in the cache.
   * @default not shown
   */
  readonly tokens?: number;
}

/** Query-key pairs of a run or a step. */
export interface RunCounts {
  /** Scores computed to select. */
  readonly scanned: number;
  /** Keys in the softmaxes. */
  readonly attended: number;
  /** Keys there were: the denominator of both. */
  readonly keys: number;
}

/** A run whose phases are known. */
export interface RunReport {
  /** Its phases, in the order in which they are drawn. */
  readonly phases: readonly RunPhase[];
  /**
   * What keys and values take.
   * @default not shown
   */
  readonly memory?: RunMemory;
  /**
   * What was scanned and attended.
   * @default not shown
   */
  readonly counts?: RunCounts;
}

/** What the runs of a session gave. */
export interface RunParts {
  /**
   * Result of the prefill.
   * @default there was none
   */
  readonly prefill?: { readonly tokens: number; readonly ms: number };
  /**
   * The steps of the generation.
   * @default none are known
   */
  readonly steps?: readonly { readonly ms: number; readonly counts: RunCounts }[];
  /**
   * Result of the generation, for its time where the steps are not known.
   * @default there was none
   */
  readonly generation?: { readonly ids: ArrayLike<number>; readonly msPerToken: number };
  /**
   * Milliseconds of the generation's steps that searches took.
   * @default they are not told apart
   */
  readonly searchMs?: number;
  /**
   * Milliseconds of everything; what the phases leave of it is the rest.
   * @default there is no rest
   */
  readonly totalMs?: number;
  /**
   * What keys and values take.
   * @default not shown
   */
  readonly memory?: RunMemory;
}

/**
 * The report of a run.
 *
 * @throws {RangeError} when it took no time or a number is out of range
 */
export function runReport(data: RunReport | RunParts): RunReport {
  const report = "phases" in data ? data : reportOf(data);
  const { phases, memory, counts } = report;
  for (const { name, ms, tokens } of phases) {
    checkNumbers({ [`ms of ${name}`]: ms, [`tokens of ${name}`]: tokens });
  }
  if (memory) checkNumbers({ ...memory });
  if (counts) checkNumbers({ ...counts });
  if (!(totalMs(phases) > 0)) {
    throw new RangeError(
      `Cannot summarize a run as its phases must take > 0 ms: current value is ${totalMs(phases)}`,
    );
  }
  return report;
}

/** Milliseconds of all phases. */
export function totalMs(phases: readonly RunPhase[]): number {
  return phases.reduce((sum, { ms }) => sum + ms, 0);
}

function reportOf(
  { prefill, steps, generation, searchMs, totalMs: all, memory }: RunParts,
): RunReport {
  const decode = decodeOf(steps, generation);
  const phases: RunPhase[] = prefill
    ? [{ name: "prefill", ms: prefill.ms, tokens: prefill.tokens }]
    : [];
  if (decode) {
    phases.push({ name: "decode", ms: decode.ms - (searchMs ?? 0), tokens: decode.tokens });
  }
  if (searchMs !== undefined) phases.push({ name: "search", ms: searchMs });
  if (all !== undefined) phases.push({ name: "rest", ms: all - totalMs(phases) });
  const counts = steps && steps.length > 0 ? sumOf(steps.map((step) => step.counts)) : undefined;
  return { phases, ...(memory && { memory }), ...(counts && { counts }) };
}

function decodeOf(
  steps: RunParts["steps"],
  generation: RunParts["generation"],
): { ms: number; tokens: number } | undefined {
  if (steps) return { ms: steps.reduce((sum, { ms }) => sum + ms, 0), tokens: steps.length };
  if (!generation) return undefined;
  const tokens = generation.ids.length;
  return { ms: tokens * generation.msPerToken, tokens };
}

function sumOf(counts: readonly RunCounts[]): RunCounts {
  const sum = (name: keyof RunCounts) => counts.reduce((total, count) => total + count[name], 0);
  return { scanned: sum("scanned"), attended: sum("attended"), keys: sum("keys") };
}

function checkNumbers(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== "number" || (Number.isFinite(value) && value >= 0)) continue;
    throw new RangeError(
      `Cannot summarize a run as ${name} must be a finite number >= 0: current value is ${value}`,
    );
  }
}
