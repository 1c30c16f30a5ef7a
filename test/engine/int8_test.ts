/** Sessions with int8 keys and values, with the embedded model. */
import { assert, assertEquals } from "@std/assert";
import { Model } from "../../lib/engine/model.ts";
import type { Session } from "../../lib/engine/session.ts";

const TEXT =
  "The harbour of the old town was quiet. A woman carried a basket of apples to the boat. " +
  "The pass key is 7421. Remember it. Behind the mill a boy counted the white stones. ";
const CONTEXT = TEXT.repeat(4);

/** Largest difference of two lists of log-probabilities, and the mean one. */
function distance(
  a: Float32Array,
  b: Float32Array,
): { readonly most: number; readonly mean: number } {
  const differences = a.map((x, i) => Math.abs(x - b[i]!)).filter((x) => !Number.isNaN(x));
  const mean = differences.reduce((sum, x) => sum + x, 0) / differences.length;
  return { most: differences.reduce((most, x) => Math.max(most, x), 0), mean };
}

async function logProbs(model: Model, kv: "f32" | "bf16" | "int8", chunkTokens = 512) {
  const session = model.session({ kv, chunkTokens });
  const { logProbs } = await session.score(CONTEXT);
  session.close();
  return logProbs;
}

async function withModel(body: (model: Model) => Promise<void>): Promise<void> {
  // In f32, so that what differs comes from the keys and values alone.
  const model = await Model.load(undefined, { precision: { compute: "f32" }, onNotice: () => {} });
  try {
    await body(model);
  } finally {
    model.close();
  }
}

async function nextLogits(session: Session): Promise<Float32Array> {
  return (await session.step({ temperature: 0 })).logits.slice();
}

Deno.test("session() with int8 keys and values predicts nearly what it does with bf16", async () => {
  await withModel(async (model) => {
    const exact = await logProbs(model, "f32");
    const bf16 = distance(await logProbs(model, "bf16"), exact);
    const int8 = distance(await logProbs(model, "int8"), exact);
    console.log(`log-probabilities off those of f32: bf16 ${JSON.stringify(bf16)}`);
    console.log(`int8 ${JSON.stringify(int8)}`);
    assert(int8.mean < 0.05 && int8.most < 1, JSON.stringify(int8));
  });
});

Deno.test("session() with int8 predicts nearly the same in chunks of any size", async () => {
  await withModel(async (model) => {
    const whole = await logProbs(model, "int8");
    for (const chunkTokens of [1, 37]) {
      const off = distance(await logProbs(model, "int8", chunkTokens), whole);
      console.log(`chunks of ${chunkTokens}: ${JSON.stringify(off)}`);
      assert(off.mean < 0.02 && off.most < 0.5, JSON.stringify(off));
    }
  });
});

Deno.test("memory() of an int8 session counts half of what a bf16 one takes, and scales", async () => {
  await withModel(async (model) => {
    const { layers, kvHeads, dim } = model.config;
    for (
      const [kv, pageBytes] of [["int8", 256 * (2 * dim + 4) + 256 + dim], [
        "bf16",
        256 * (4 * dim + 4),
      ]] as const
    ) {
      const session = model.session({ kv });
      await session.prefill(TEXT);
      const { tokens, kvBytes, residentBytes } = session.memory();
      assertEquals(kvBytes, Math.ceil(tokens / 256) * layers * kvHeads * pageBytes);
      assertEquals(residentBytes, tokens * layers * kvHeads * 2 * dim * (kv === "int8" ? 1 : 2));
      session.close();
    }
  });
});

Deno.test("fork() of an int8 session leaves its parent's keys as they were", async () => {
  await withModel(async (model) => {
    const [session, alone] = [model.session({ kv: "int8" }), model.session({ kv: "int8" })];
    await session.prefill(TEXT);
    await alone.prefill(TEXT);
    const fork = session.fork();
    await fork.prefill("Quite another text, whose keys are larger: 99999999 !!!! ZZZZ ####");
    assertEquals(await nextLogits(session), await nextLogits(alone));
    for (const one of [session, alone, fork]) one.close();
  });
});
