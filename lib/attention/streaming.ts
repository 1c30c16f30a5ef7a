import { checkCount } from "./check.ts";
import { described } from "./described.ts";
import type { Method } from "./method.ts";
import type { HeadPlan } from "./plan.ts";

/** Options of {@link streaming}. */
export interface StreamingOptions {
  /**
   * Tokens at the start of the text that every query sees.
   * @default 4
   */
  readonly sink?: number;
  /**
   * Most recent tokens that a query sees, its own included.
   * @default 512
   */
  readonly window?: number;
}

/**
 * Attention sinks and a sliding window (StreamingLLM, Xiao et al. 2023; MInference calls it A-shape). Governs
 * prefill and decode. Keys keep their positions.
 *
 * @throws {RangeError} if `sink` is negative or `window` is below 1
 */
export function streaming(options: StreamingOptions = {}): Method {
  const { sink = 4, window = 512 } = options;
  checkCount("make a streaming method", "sink", sink, 0);
  checkCount("make a streaming method", "window", window, 1);
  const plan: HeadPlan = { kind: "streaming", sink, window };
  return described({
    name: "streaming",
    options: { sink, window },
    governsPrefill: true,
    planPrefill: ({ heads }) => heads.map(() => plan),
    planDecode: ({ heads }) => heads.map(() => plan),
    residentKeys: (_layer, _head, length) => Math.min(length, sink + window),
  });
}
