import { assertAlmostEquals, assertEquals } from "@std/assert";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import { ChunkEstimates } from "../../lib/engine/chunk_estimates.ts";
import { prefillContext } from "../attention/contexts.ts";
import { Fixture } from "../kernels/fixture.ts";
import { Scope } from "../kernels/scope.ts";
import { Random } from "../random.ts";

/** Estimates of the rows `q` of one head from `qStart` on, dimension 4, over keys `k`. */
async function estimatesOf(scope: Scope, q: Float32Array, k: Float32Array, qStart: number) {
  const length = k.length / 4;
  return new ChunkEstimates(scope.backend, {
    q: scope.tensor([q.length / 4, 1, 4], q),
    qStart,
    kv: await scope.kv({ k, v: k, length, kvHeads: 1, dim: 4 }),
    scale: 0.5,
    control: scope.backend.control(),
  });
}

function mean(rows: Float32Array, first: number, end: number): number[] {
  return [0, 1, 2, 3].map((i) => {
    let sum = 0;
    for (let row = first; row < end; row++) sum += rows[row * 4 + i]!;
    return sum / (end - first);
  });
}

for (const [qStart, length] of [[0, 29], [20, 29], [13, 31]] as const) {
  Deno.test(`blockScores() of the last rows of ${qStart} .. ${length - 1} is the softmax of their mean`, async () => {
    using scope = new Scope(openReferenceBackend());
    const random = new Random(length + qStart);
    const q = random.normals((length - qStart) * 4);
    const k = random.normals(length * 4);
    const estimates = await estimatesOf(scope, q, k, qStart);
    const options = { block: 10, softmax: true, last: true };
    const { scores, rows, columns } = await estimates.blockScores([0], options);
    const query = mean(q, Math.max(length - qStart - 10, 0), length - qStart);
    const starts = Array.from({ length: Math.ceil(length / 10) }, (_, x) => x * 10);
    const weights = starts.map((start) => {
      const key = mean(k, start, Math.min(start + 10, length));
      return Math.exp(query.reduce((sum, x, i) => sum + x * key[i]!, 0) / 2);
    });
    const total = weights.reduce((sum, x) => sum + x, 0);
    assertEquals([rows, columns, scores.length], [1, starts.length, starts.length]);
    weights.forEach((weight, x) => assertAlmostEquals(scores[x]!, weight / total, 1e-6));
    assertEquals(estimates.costs[0]!.scanned, starts.length);
  });
}

Deno.test("xAttention() chooses the blocks of the published form's worked example", async () => {
  using scope = new Scope(openReferenceBackend());
  const fixture = new Fixture("antidiagonalsGolden");
  const [q, k] = [fixture.array("q"), fixture.array("k")];
  const estimates = await estimatesOf(scope, q.f32, k.f32, 0);
  const context = prefillContext({ qLen: 64, estimates });
  const blocks = async (threshold: number) => {
    const method = methods.xAttention({ stride: 4, block: 16, threshold });
    const [plan] = await method.planPrefill(context);
    return plan?.kind === "blockSparse" ? plan.blocks : plan;
  };
  assertEquals(await blocks(0.6), [[0], [0, 1], [0, 2], [0, 1, 3]]);
  assertEquals(await blocks(0.9), [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]);
});
