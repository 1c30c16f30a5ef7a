/** Column and diagonal sums of more keys than are kept between the sweeps: on one thread, on several, and of the reference. */
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { Random } from "../random.ts";
import { inputs, sumsOfHeads } from "./cases_estimates.ts";
import { cpuSets } from "./cpu_sets.ts";
import { sameOnThreads } from "./on_threads.ts";
import { Scope } from "./scope.ts";
import { assertClose, TOLERANCE } from "./tolerance.ts";

const SHAPE = { tokens: 64, kvLength: 70_001, kvHeads: 1, group: 5, dim: 8 };

const sumsOf = async (backend: Backend) => {
  using scope = new Scope(backend);
  const cache = await inputs(scope, new Random(6), SHAPE, { dtype: "bf16" });
  return await sumsOfHeads(scope, cache, [4, 3, 2, 1, 0]);
};

sameOnThreads(
  "verticalSlash() gives the same on any number of threads",
  [2, 3, 0],
  async (threads) => await sumsOf(await openBackend({ backend: "cpu", threads })),
);

Deno.test({
  name: "verticalSlash() of more keys than are kept equals the reference",
  ignore: (await cpuSets("sums of many keys")).length === 0,
  fn: async () => {
    const expected = await sumsOf(openReferenceBackend());
    const found = await sumsOf(await openBackend({ backend: "cpu", compute: "f32" }));
    for (const [i, sums] of found.entries()) assertClose(sums, expected[i]!, TOLERANCE.f32);
  },
});
