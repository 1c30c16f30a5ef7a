/**
 * The two real models against exact arithmetic on their dequantised weights, and no farther from it than llama.cpp; all
 * numbers, over the whole vocabulary and all texts: `fixtures/parity/measure.ts`.
 */
import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { Model } from "../../lib/engine/model.ts";
import { openOr } from "../engine/tiny_model.ts";
import { testModel } from "./gguf/test_models.ts";
import {
  coarseKl,
  distributionOf,
  F32,
  type FoundText,
  mean,
  nllOf,
  type ParityText,
  perplexity,
  readParity,
  readText,
} from "./parity.ts";

/** Tokens of the longest text whose perplexity is computed: a second pass over long ones takes too long here. */
const SCORED_TOKENS = 300;
const MAX_KL = 1e-4;
const MAX_PERPLEXITY_ERROR = 2e-3;
const GREEDY_ALIKE = 18;

interface Measured {
  readonly texts: readonly ParityText[];
  readonly ids: readonly Int32Array[];
  readonly found: readonly FoundText[];
  readonly scored: readonly ParityText[];
  readonly nlls: readonly number[];
}

async function measure(name: "smollm2" | "gemma3", path: string): Promise<Measured> {
  const texts = await readParity(name);
  const scored = texts.filter(({ ids }) => ids.length <= SCORED_TOKENS);
  using model = await Model.load(path, { backend: "cpu", precision: F32 });
  const ids = texts.map(({ text }) => model.tokenizer.encode(text, { bos: true }));
  const found: FoundText[] = [];
  for (const text of texts) found.push(await readText(model, text));
  const nlls: number[] = [];
  for (const text of scored) nlls.push(await nllOf(model, text.ids));
  return { texts, ids, found, scored, nlls };
}

/** Means over all places of all texts, of what Longlens and llama.cpp differ from exact arithmetic. */
function divergences({ texts, found }: Measured): { ours: number; llama: number } {
  const [ours, llama]: [number[], number[]] = [[], []];
  for (const [x, { places }] of texts.entries()) {
    for (const [y, place] of places.entries()) {
      ours.push(coarseKl(place.exact, distributionOf(found[x]!.logits[y]!, place)));
      llama.push(coarseKl(place.exact, place.llama));
    }
  }
  return { ours: mean(ours), llama: mean(llama) };
}

for (const name of ["smollm2", "gemma3"] as const) {
  const path = await testModel(name);
  const ignore = path === null || await openOr("cpu") === null;
  let measuring: Promise<Measured> | undefined;
  const measured = () => measuring ??= measure(name, path!);

  const test = (criterion: string, check: (measured: Measured) => void) =>
    Deno.test({ name: `${name}: ${criterion}`, ignore, fn: async () => check(await measured()) });

  test("token ids of 20 texts are those of llama.cpp", ({ texts, ids }) => {
    assertEquals(texts.length, 20);
    for (const [x, text] of texts.entries()) assertEquals(ids[x], text.ids, text.name);
  });

  test("distributions are those of exact arithmetic, closer than llama.cpp's", (measured) => {
    const { ours, llama } = divergences(measured);
    assertLessOrEqual(ours, MAX_KL);
    assertLessOrEqual(ours, llama);
  });

  test("perplexity is that of exact arithmetic within 0.2 %", ({ scored, nlls }) => {
    const exact = perplexity(scored, scored.map(({ nll }) => nll));
    assertGreaterOrEqual(scored.length, 10);
    assertLessOrEqual(Math.abs(perplexity(scored, nlls) / exact - 1), MAX_PERPLEXITY_ERROR);
  });

  test("greedy continuations are those of exact arithmetic on 18 of 20 texts", (measured) => {
    const { texts, found } = measured;
    const alike = texts.filter(({ greedy }, x) => greedy.join() === found[x]!.greedy.join());
    assertGreaterOrEqual(alike.length, GREEDY_ALIKE);
  });
}
