import type { KeyBounds, Tensor } from "../../ffi/backend.ts";
import { kvHeadNumber } from "../../kernels/reference/attention.ts";
import type { Scope } from "./scope.ts";
import type { Outcome } from "./tolerance.ts";

/** Bounds of a row of queries, to be compared by the size of their terms: bounds may be near zero where these cancel. */
export async function boundScoresOutcome(
  scope: Scope,
  q: Tensor,
  row: number,
  chosen: readonly number[],
  bounds: KeyBounds,
): Promise<Outcome> {
  const values = await scope.backend.boundScores(q, row, chosen, bounds);
  const floor = largestTerms(q, row, chosen, bounds);
  return { name: "bounds", values, width: values.length, floor };
}

/** Largest sum of the sizes of a bound's terms. */
function largestTerms(
  q: Tensor,
  row: number,
  chosen: readonly number[],
  { min, max }: KeyBounds,
): number {
  const [, heads = 0, dim = 0] = q.shape;
  const [blocks = 0, kvHeads = 0] = min.shape;
  const [queries, low, high] = [q.read(), min.read(), max.read()];
  let largest = 0;
  for (const head of chosen) {
    const query = queries.subarray((row * heads + head) * dim, (row * heads + head + 1) * dim);
    for (let block = 0; block < blocks; block++) {
      const first = (block * kvHeads + kvHeadNumber(head, heads, kvHeads)) * dim;
      const sizes = query.map((x, i) => Math.abs(x * (x > 0 ? high : low)[first + i]!));
      largest = Math.max(largest, sizes.reduce((sum, size) => sum + size, 0));
    }
  }
  return largest;
}
