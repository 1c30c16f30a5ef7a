import { assertEquals, assertLessOrEqual } from "@std/assert";
import {
  CHECKPOINTS,
  expectedOf,
  fromFolder,
  maxDifference,
  nextLogits,
  onBackends,
  readExpected,
  type TinyModel,
} from "./tiny_model.ts";
import { openBackend } from "../../ffi/open.ts";

/** Design: logits within 2e-3 of transformers in f32. */
const TOLERANCE = 2e-3;

const SHARED = new URL("../../../shared/data/models/tinystories-656k", import.meta.url).pathname;

function lastRows(logits: Float32Array, vocab: number, fromEnd: number): Float32Array {
  const rows = logits.length / vocab;
  return logits.subarray((rows - 1 - fromEnd) * vocab, (rows - fromEnd) * vocab);
}

async function comparePrefill(model: TinyModel, expected: Awaited<ReturnType<typeof expectedOf>>) {
  const { vocab } = model.config;
  for (const { ids, logits } of expected) {
    for (let back = 0; back < logits.length / vocab; back += 3) {
      const session = model.session();
      await session.prefill(ids.slice(0, ids.length - back));
      const found = await nextLogits(session);
      assertLessOrEqual(maxDifference(found, lastRows(logits, vocab, back)), TOLERANCE);
      session.close();
    }
  }
}

async function compareGreedy(model: TinyModel, expected: Awaited<ReturnType<typeof expectedOf>>) {
  for (const { ids, greedy } of expected) {
    const session = model.session();
    await session.prefill(ids);
    const found: number[] = [];
    while (found.length < greedy.length) found.push((await session.step()).token);
    assertEquals(found, Array.from(greedy));
    session.close();
  }
}

for (const name of CHECKPOINTS) {
  onBackends(`prefill() gives the logits of transformers for ${name}`, name, async (model) => {
    await comparePrefill(model, await expectedOf(name));
  });

  onBackends(`step() continues greedily like transformers for ${name}`, name, async (model) => {
    await compareGreedy(model, await expectedOf(name));
  });
}

onBackends("score() gives the log-probabilities of transformers", "qwen3", async (model) => {
  const { vocab } = model.config;
  const [{ ids, logits }] = await expectedOf("qwen3") as [
    Awaited<ReturnType<typeof expectedOf>>[0],
  ];
  const session = model.session();
  const { logProbs } = await session.score(ids);
  const rows = logits.length / vocab;
  for (let row = 0; row + 1 < rows; row++) {
    const scores = Array.from(logits.subarray(row * vocab, (row + 1) * vocab));
    const lse = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
    const at = ids.length - rows + row + 1;
    assertLessOrEqual(Math.abs(logProbs[at]! - (scores[ids[at]!]! - lse)), TOLERANCE);
  }
  session.close();
});

for (const backend of ["reference", "cpu"] as const) {
  Deno.test(`a real model gives the logits of transformers: tinystories-656k (${backend})`, async () => {
    const opened = await openBackend({ backend }).catch(() => null);
    const present = await Deno.stat(SHARED).then(() => true, () => false);
    if (!opened || !present) {
      return console.log(`skipped: needs the ${backend} backend and ../shared/data/models`);
    }
    const model = await fromFolder(SHARED, opened);
    const expected = await readExpected(
      new URL("../model/fixtures/tinystories-656k.expected.safetensors", import.meta.url).pathname,
    );
    await comparePrefill(model, expected);
    await compareGreedy(model, expected);
    model.close();
  });
}
