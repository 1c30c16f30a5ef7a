/** Pages of the fast and the slow tier: what a backend says of them, and page tables of both. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Backend, KvDType, KvView, MemoryTier } from "../../ffi/backend.ts";
import { Random } from "../random.ts";
import { randomKeyPlan, randomTilePlan } from "./make_plans.ts";
import { Scope, type TierOf } from "./scope.ts";
import { type AttentionShape, attentionShapes, outputs, randomKv } from "./shapes.ts";
import { runsOf, type Subject, test } from "./subject.ts";

const SPEC = { dim: 64, dtype: "bf16" } as const;
const ONLY_FAST: TierOf = () => "fast";
const MIXED: TierOf = (index, kvHead) => (index + kvHead) % 2 === 0 ? "slow" : "fast";

/** Registers the tests. */
export function tierCases(subject: Subject): void {
  test(subject, "page() lies in the tier that was asked for, where there is one", (backend) => {
    const before = tierBytes(backend);
    using scope = new Scope(backend);
    const page = scope.keep(backend.page(SPEC, "slow"));
    const copy = scope.keep(backend.copyPage(page, SPEC));
    const expected = backend.info().tiers.includes("slow") ? "slow" : "fast";
    assertEquals([page.tier, copy.tier], [expected, expected]);
    assertEquals(scope.keep(backend.page(SPEC)).tier, "fast");
    const [fast, slow] = tierBytes(backend);
    const taken = { fast: fast! - before[0]!, slow: slow! - before[1]! };
    const both = 2 * page.sizeBytes;
    assertEquals(
      taken,
      expected === "slow"
        ? { fast: page.sizeBytes, slow: both }
        : { fast: page.sizeBytes + both, slow: 0 },
    );
    assertEquals(backend.allocatedBytes(), fast! + slow!);
    scope[Symbol.dispose]();
    assertEquals(tierBytes(backend), before);
    return Promise.resolve();
  });
  test(subject, "page() refuses another tier", (backend) => {
    const wrong = () => backend.page(SPEC, "medium" as MemoryTier);
    assertThrows(wrong, RangeError, "tier must be fast or slow: current value is medium");
    return Promise.resolve();
  });
  test(subject, "calls compute the same bits where pages of both tiers mix", async (backend) => {
    const property = fc.asyncProperty(
      fc.nat(),
      attentionShapes,
      fc.constantFrom<KvDType>("f32", "bf16", "int8"),
      async (seed, shape, dtype) => {
        const results = [];
        for (const tierOf of [ONLY_FAST, MIXED]) {
          results.push(await computed(backend, seed, shape, dtype, tierOf));
        }
        assertEquals(results[1], results[0]);
      },
    );
    await fc.assert(property, { seed: 9, numRuns: runsOf(subject, 12) });
  });
}

function tierBytes(backend: Backend): number[] {
  return [backend.allocatedBytes("fast"), backend.allocatedBytes("slow")];
}

/** What a cache whose pages lie where `tierOf` says gives to each kind of reader. */
async function computed(
  backend: Backend,
  seed: number,
  shape: AttentionShape,
  dtype: KvDType,
  tierOf: TierOf,
): Promise<Float32Array[]> {
  using scope = new Scope(backend);
  const random = new Random(seed);
  const kv = await scope.kv(randomKv(random, shape), dtype, tierOf);
  return [
    ...await attended(scope, random, shape, kv),
    ...await searched(scope, random, shape, kv),
    ...held(scope, shape, kv),
  ];
}

async function attended(
  scope: Scope,
  random: Random,
  { tokens, kvLength, kvHeads, group, dim }: AttentionShape,
  kv: KvView,
): Promise<Float32Array[]> {
  const [heads, qStart] = [kvHeads * group, kvLength - tokens];
  const q = scope.tensor([tokens, heads, dim], random.normals(tokens * heads * dim));
  const tiles = randomTilePlan(random, { tokens, qStart, kvLength }, "mixed");
  const keys = randomKeyPlan(random, kvLength);
  const [prefill, decode] = [
    outputs(scope, tokens, heads, dim),
    outputs(scope, tokens, heads, dim),
  ];
  const { backend } = scope;
  await backend.attendTiles(q, qStart, 0.1, kv, Array(heads).fill(tiles), prefill);
  await backend.attendKeys(q, 0.1, kv, Array(tokens * heads).fill(keys), decode);
  return [prefill.out, prefill.lse, decode.out, decode.lse].map((tensor) => tensor.read());
}

async function searched(
  scope: Scope,
  random: Random,
  { kvLength, kvHeads, group, dim }: AttentionShape,
  kv: KvView,
): Promise<Float32Array[]> {
  const heads = kvHeads * group;
  const q = scope.tensor([1, heads, dim], random.normals(heads * dim));
  const means = scope.tensor([Math.ceil(kvLength / 64), kvHeads, dim]);
  const best = await scope.backend.topKeys(q, 0, [heads - 1], kv, 0, kvLength, 9);
  await scope.backend.poolKeys(kv, 0, 64, means);
  return [...best.map(({ scores }) => scores), means.read()];
}

/** What the pages hold. */
function held(scope: Scope, { kvLength, kvHeads }: AttentionShape, kv: KvView): Float32Array[] {
  const { k, v, positions } = scope.backend.readKv(kv.table, kvHeads - 1, 0, kvLength);
  return [k, v, positions];
}
