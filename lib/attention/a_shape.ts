import { checkCount } from "./check.ts";
import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import type { Method } from "./method.ts";
import type { HeadPlan, StreamingPlan } from "./plan.ts";

/** Options of {@link aShape}. */
export interface AShapeOptions {
  /**
   * Tokens at the start of the text that every query sees.
   * @default 128
   */
  readonly sink?: number;
  /**
   * Most recent tokens that a query sees, its own included.
   * @default 3968
   */
  readonly window?: number;
}

/** Options of {@link triShape}. */
export interface TriShapeOptions extends AShapeOptions {
  /**
   * Rows at the end of the prompt that see every key.
   * @default 100
   */
  readonly last?: number;
}

/** Options of {@link slidingWindow}. */
export interface SlidingWindowOptions {
  /**
   * Most recent tokens that a query sees, its own included.
   * @default 4096
   */
  readonly window?: number;
}

/**
 * MInference's A-shape (Jiang et al. 2024, arXiv 2407.02490): the first tokens and a sliding window. Governs the prefill;
 * single queries see every key.
 *
 * @throws {RangeError} if `sink` is negative or `window` is below 1
 */
export function aShape(options: AShapeOptions = {}): Method {
  const { sink, window } = staticOptions("an aShape", options);
  const plan: HeadPlan = { kind: "streaming", sink, window };
  return described({
    name: "aShape",
    options: { sink, window },
    governsPrefill: true,
    planPrefill: ({ heads }) => heads.map(() => plan),
    ...denseDecode,
  });
}

/**
 * Tri-shape (Li et al. 2024, SCBench, arXiv 2412.10319): an A-shape whose last rows see every key. Governs the prefill; single
 * queries see every key.
 *
 * @throws {RangeError} if `sink` or `last` is negative, or `window` is below 1
 */
export function triShape(options: TriShapeOptions = {}): Method {
  const { last = 100 } = options;
  const { sink, window } = staticOptions("a triShape", options);
  checkCount("make a triShape method", "last", last, 0);
  const before: StreamingPlan = { kind: "streaming", sink, window };
  return described({
    name: "triShape",
    options: { sink, window, last },
    governsPrefill: true,
    planPrefill: ({ heads, qStart, kvLength, promptEnd }) => {
      const at = Math.max(promptEnd - last, 0);
      const plan: HeadPlan = kvLength <= at
        ? before
        : qStart >= at
        ? { kind: "dense" }
        : { kind: "split", at, before, after: { kind: "dense" } };
      return heads.map(() => plan);
    },
    ...denseDecode,
  });
}

/**
 * A sliding window without first tokens, what models with such layers do of themselves. Governs the prefill; single queries
 * see every key.
 *
 * @throws {RangeError} if `window` is below 1
 */
export function slidingWindow(options: SlidingWindowOptions = {}): Method {
  const { window = 4096 } = options;
  checkCount("make a slidingWindow method", "window", window, 1);
  const plan: HeadPlan = { kind: "streaming", sink: 0, window };
  return described({
    name: "slidingWindow",
    options: { window },
    governsPrefill: true,
    planPrefill: ({ heads }) => heads.map(() => plan),
    ...denseDecode,
  });
}

function staticOptions(name: string, { sink = 128, window = 3968 }: AShapeOptions) {
  checkCount(`make ${name} method`, "sink", sink, 0);
  checkCount(`make ${name} method`, "window", window, 1);
  return { sink, window };
}
