import { assertEquals, assertLessOrEqual } from "@std/assert";
import { locateModel } from "../../lib/model/location.ts";
import { loadTokenizer } from "../../lib/model/tokenizer.ts";
import {
  CHECKPOINTS,
  type ExpectedCase,
  fixture,
  readExpected,
  sharedData,
} from "../model/fixtures.ts";
import {
  fromFolder,
  maxDifference,
  nextLogits,
  onBackends,
  openOr,
  type TinyModel,
} from "./tiny_model.ts";

/** Design: logits within 2e-3 of transformers in f32. */
const TOLERANCE = 2e-3;

function expectedOf(name: string): Promise<ExpectedCase[]> {
  return readExpected(fixture(`${name}/expected.safetensors`));
}

function lastRows(logits: Float32Array, vocab: number, fromEnd: number): Float32Array {
  const rows = logits.length / vocab;
  return logits.subarray((rows - 1 - fromEnd) * vocab, (rows - fromEnd) * vocab);
}

async function comparePrefill(model: TinyModel, expected: readonly ExpectedCase[]) {
  const { vocab } = model.config;
  for (const { ids, logits } of expected) {
    for (let back = 0; back < logits.length / vocab; back += 3) {
      // transformers saw the whole text, and chose rotary frequencies for it.
      const session = model.session({ contextTokens: ids.length });
      await session.prefill(ids.slice(0, ids.length - back));
      const found = await nextLogits(session);
      assertLessOrEqual(maxDifference(found, lastRows(logits, vocab, back)), TOLERANCE);
      session.close();
    }
  }
}

async function compareGreedy(model: TinyModel, expected: readonly ExpectedCase[]) {
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
    const opened = await openOr(backend);
    const folder = sharedData("models/tinystories-656k");
    if (!opened || !folder) return console.log(`skipped: no ${backend} backend or no data here`);
    const model = await fromFolder(folder, opened);
    const expected = await readExpected(fixture("tinystories-656k.expected.safetensors"));
    await comparePrefill(model, expected);
    await compareGreedy(model, expected);
    model.close();
  });
}

for (const backend of ["reference", "cpu"] as const) {
  Deno.test(`the embedded model gives the logits of transformers (${backend})`, async () => {
    const opened = await openOr(backend);
    if (!opened) return console.log(`skipped: no ${backend} backend here`);
    const { path: folder } = await locateModel();
    const model = await fromFolder(folder, opened);
    const expected = await readExpected(fixture("embedded.expected.safetensors"));
    const texts: string[] = JSON.parse(await Deno.readTextFile(fixture("embedded.texts.json")));
    const tokenizer = await loadTokenizer(folder);
    texts.forEach((text, c) =>
      assertEquals(tokenizer.encode(text, { bos: true }), expected[c]!.ids)
    );
    await comparePrefill(model, expected);
    await compareGreedy(model, expected);
    model.close();
  });
}
