/**
 * The two real models against exact arithmetic on their dequantised weights, and no farther from it than llama.cpp.
 * `fixtures/parity/measure.ts` prints all numbers: all of every text, and divergence over the whole vocabulary, of which
 * that over the 256 likeliest ids and the rest is a lower bound.
 */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { Model } from "../../lib/engine/model.ts";
import { openOr } from "../engine/tiny_model.ts";
import { testModel } from "./gguf/test_models.ts";
import {
  coarseKl,
  distributionOf,
  F32,
  mean,
  nllOf,
  type ParityText,
  perplexity,
  readGreedy,
  readParity,
  readPlaces,
} from "./parity.ts";

const MAX_KL = 1e-4;
const MAX_PERPLEXITY_ERROR = 2e-3;
/** Longer texts are read up to their second place only, and not continued: all of it takes minutes. */
const WHOLE_TEXTS = 6;
const FIRST_PLACES = 2;

interface Measured {
  /** All texts, their ids by our tokenizer, and logits at their first places. */
  readonly texts: readonly ParityText[];
  readonly ids: readonly Int32Array[];
  readonly logits: readonly Float32Array[][];
  /** Short texts, their continuations and means of -log p. */
  readonly whole: readonly ParityText[];
  readonly greedy: readonly Int32Array[];
  readonly nlls: readonly number[];
}

async function measure(name: "smollm2" | "gemma3", path: string): Promise<Measured> {
  const texts = await readParity(name);
  using model = await Model.load(path, { backend: "cpu", precision: F32 });
  const ids = texts.map(({ text }) => model.tokenizer.encode(text, { bos: true }));
  const logits: Float32Array[][] = [];
  const short = shortest(texts);
  const [whole, greedy, nlls]: [ParityText[], Int32Array[], number[]] = [[], [], []];
  for (const text of texts) {
    const isShort = short.includes(text);
    using session = model.session();
    const places = isShort ? text.places : text.places.slice(0, FIRST_PLACES);
    logits.push(await readPlaces(session, text, places));
    if (!isShort) continue;
    whole.push(text);
    greedy.push(await readGreedy(session, text));
    nlls.push(await nllOf(model, text.ids));
  }
  return { texts, ids, logits, whole, greedy, nlls };
}

function shortest(texts: readonly ParityText[]): readonly ParityText[] {
  return texts.toSorted((a, b) => a.ids.length - b.ids.length).slice(0, WHOLE_TEXTS);
}

/** Means over the places of all texts, of what Longlens and llama.cpp differ from exact arithmetic. */
function divergences({ texts, logits }: Measured): { ours: number; llama: number } {
  const [ours, llama]: [number[], number[]] = [[], []];
  for (const [x, { places }] of texts.entries()) {
    for (const [y, found] of logits[x]!.entries()) {
      const place = places[y]!;
      ours.push(coarseKl(place.exact, distributionOf(found, place)));
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

  test("perplexity is that of exact arithmetic within 0.2 %", ({ whole, nlls }) => {
    const exact = perplexity(whole, whole.map(({ nll }) => nll));
    assertLessOrEqual(Math.abs(perplexity(whole, nlls) / exact - 1), MAX_PERPLEXITY_ERROR);
  });

  test("greedy continuations are those of exact arithmetic", ({ whole, greedy }) => {
    assertEquals(whole.length, WHOLE_TEXTS);
    for (const [x, text] of whole.entries()) assertEquals(greedy[x], text.greedy, text.name);
  });
}
