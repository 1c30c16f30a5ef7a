import { assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import { dense } from "../../lib/attention/dense.ts";
import { Model } from "../../lib/engine/model.ts";
import { openSession, type Session } from "../../lib/engine/session.ts";
import type { RopeScaling } from "../../lib/model/types.ts";
import { maxDifference, nextLogits, onBackends, someIds, type TinyModel } from "./tiny_model.ts";

/** `original_max_position_embeddings` of the checkpoint. */
const ORIGINAL = 32;
/** The same sums over other chunks. */
const TOLERANCE = 1e-5;

type Longrope = Extract<RopeScaling, { type: "longrope" }>;

/** The model with one set of factors for every length. */
function withFactors(model: TinyModel, kind: "shortFactor" | "longFactor"): Session {
  const scaling = model.config.rope.scaling as Longrope;
  const chosen = { ...scaling, shortFactor: scaling[kind], longFactor: scaling[kind] };
  const config = { ...model.config, rope: { ...model.config.rope, scaling: chosen } };
  const options = {
    attention: dense(),
    kv: "f32",
    kvTier: "fast",
    chunkTokens: 512,
    seed: 0,
    querySamples: 0,
  } as const;
  return openSession({ ...model, config }, { ...options, memoryBytes: Infinity });
}

async function logitsAfter(session: Session, ...counts: number[]): Promise<Float32Array> {
  let start = 0;
  for (const count of counts) await session.prefill(someIds(start += count).slice(start - count));
  return await nextLogits(session);
}

onBackends("a session keeps the factors of its first text", "phi3", async (model) => {
  const counts = [ORIGINAL - 2, 10];
  const found = await logitsAfter(model.session(), ...counts);
  const short = await logitsAfter(withFactors(model, "shortFactor"), ...counts);
  const long = await logitsAfter(withFactors(model, "longFactor"), ...counts);
  assertLessOrEqual(maxDifference(found, short), TOLERANCE);
  assertGreater(maxDifference(found, long), 0.01);
});

onBackends("a first text beyond the original positions has long factors", "phi3", async (model) => {
  const found = await logitsAfter(model.session({ chunkTokens: 8 }), ORIGINAL + 1);
  const long = await logitsAfter(withFactors(model, "longFactor"), ORIGINAL + 1);
  assertLessOrEqual(maxDifference(found, long), TOLERANCE);
});

onBackends("contextTokens chooses the factors before the first text", "phi3", async (model) => {
  const session = model.session({ contextTokens: ORIGINAL + 1 });
  const found = await logitsAfter(session, 9, 3);
  const long = await logitsAfter(withFactors(model, "longFactor"), 9, 3);
  assertLessOrEqual(maxDifference(found, long), TOLERANCE);
  const fork = session.fork();
  assertLessOrEqual(maxDifference(await nextLogits(fork), long), TOLERANCE);
});

Deno.test("Model.session() refuses contextTokens below 1", async () => {
  const model = await Model.load(undefined, { backend: "reference" });
  assertThrows(() => model.session({ contextTokens: 0 }), RangeError, "contextTokens must be");
  model.close();
});
