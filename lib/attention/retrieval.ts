import { checkCount } from "./check.ts";
import { described } from "./described.ts";
import type { DecodeContext, Method } from "./method.ts";
import type { HeadPlan } from "./plan.ts";

/** Options of {@link retrieval}. */
export interface RetrievalOptions {
  /**
   * Tokens at the start of the text that stay on the fast tier.
   * @default 128
   */
  readonly sink?: number;
  /**
   * Most recent tokens that stay on the fast tier.
   * @default 512
   */
  readonly window?: number;
  /**
   * Keys retrieved for each query head and step.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Index that is asked: `exact` scores every key outside the static set.
   * @default "exact"
   */
  readonly index?: "exact";
}

/**
 * RetrievalAttention (Liu et al. 2024, arXiv 2409.10516): a static set of first and recent keys, and the keys an
 * index finds for each query head. The context is prefilled densely; the question and every generated token go
 * through the index.
 *
 * @throws {RangeError} if an option is out of range
 */
export function retrieval(options: RetrievalOptions = {}): Method {
  const { sink = 128, window = 512, topK = 100, index = "exact" } = options;
  checkCount("make a retrieval method", "sink", sink, 0);
  checkCount("make a retrieval method", "window", window, 1);
  checkCount("make a retrieval method", "topK", topK, 0);
  if (index !== "exact") {
    throw new RangeError(
      `Cannot make a retrieval method as index must be "exact": current value is ${index}`,
    );
  }
  const checked = { sink, window, topK, index };
  return described({
    name: "retrieval",
    options: checked,
    governsPrefill: false,
    planPrefill: ({ heads }) => heads.map(() => ({ kind: "dense" })),
    planDecode: (context) => planDecode(checked, context),
    residentKeys: (_layer, _head, length) => Math.min(length, sink + window),
  });
}

async function planDecode(
  options: Required<RetrievalOptions>,
  { heads, position, search }: DecodeContext,
): Promise<readonly HeadPlan[]> {
  const { sink, window, topK, index } = options;
  const plan = (retrieved: readonly number[]): HeadPlan => ({
    kind: "staticPlusRetrieved",
    sink,
    window,
    index,
    topK,
    retrieved,
  });
  const end = position + 1 - window;
  if (end <= sink || topK === 0) return heads.map(() => plan([]));
  const found = await search({ index, heads, start: sink, end, topK });
  return found.map(({ indices }) => plan(Array.from(indices).sort((a, b) => a - b)));
}
