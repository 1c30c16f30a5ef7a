/** Contexts that methods plan with in tests. */
import type { Estimates, PrefillContext, VerticalSlash } from "../../lib/attention/method.ts";

/** What a context says unless told otherwise; sums and scores are 0. */
export function prefillContext(
  given: Partial<PrefillContext> = {},
  estimates: Partial<Estimates> = {},
): PrefillContext {
  const { qStart = 0, qLen = 8 } = given;
  const kvLength = qStart + qLen;
  const plain = {
    ...{ layer: 0, heads: [0], qStart, qLen, kvLength },
    ...{ promptEnd: kvLength, window: null },
  };
  const memory = new Map<string, unknown>();
  return { ...plain, memory, estimates: { ...nothing(kvLength, qLen), ...estimates }, ...given };
}

function nothing(kvLength: number, qLen: number): Estimates {
  const blocks = (heads: readonly number[], block: number, last = false) => {
    const [rows, columns] = [last ? 1 : Math.ceil(qLen / block), Math.ceil(kvLength / block)];
    return { scores: new Float32Array(heads.length * rows * columns), rows, columns };
  };
  return {
    verticalSlash: (heads, _rows, skipped = 0) =>
      heads.map((): VerticalSlash => ({
        vertical: new Float32Array(kvLength - skipped),
        slash: new Float32Array(kvLength - skipped),
      })),
    blockScores: (heads, { block, last }) => blocks(heads, block, last),
    antidiagonalScores: (heads, { block }) => blocks(heads, block),
  };
}
