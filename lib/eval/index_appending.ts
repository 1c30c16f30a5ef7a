/** What an index finds after keys were appended to it, beside one that was built over all of them. */
import { KeyIndex } from "../engine/key_index.ts";
import { ask, dataOf, exactAnswers, headTrial, type TriedIndex } from "./key_set_trial.ts";
import type { KeySet } from "./key_set.ts";

/** Options of {@link appendTrial}. */
export interface AppendTrialOptions {
  /** The index. */
  readonly index: TriedIndex;
  /**
   * Keys that are appended: the last ones of the set.
   * @default 8192
   */
  readonly appended?: number;
  /**
   * Keys that are appended together.
   * @default 256
   */
  readonly batch?: number;
  /**
   * Keys that are asked for.
   * @default 100
   */
  readonly topK?: number;
}

/** How an index did that has grown, in the mean over query heads and asking rows. */
export interface AppendTrial {
  /** Keys in all. */
  readonly keys: number;
  /** Those that were appended. */
  readonly appended: number;
  /** Share of the exact best keys that were found. */
  readonly recall: number;
  /** The same by an index that was built over all keys. */
  readonly freshRecall: number;
  /** Keys scored to select. */
  readonly scanned: number;
  /** The same of the fresh index. */
  readonly freshScanned: number;
  /** Microseconds of appending, for each key. */
  readonly appendUs: number;
}

/**
 * Appends the last keys of a set to an index over the others.
 *
 * @throws {RangeError} when there are no others
 */
export async function appendTrial(
  set: KeySet,
  { index, appended = 8192, batch = 256, topK = 100 }: AppendTrialOptions,
): Promise<AppendTrial> {
  const keys = set.keys.length / set.dim;
  if (appended < 1 || appended >= keys) {
    throw new RangeError(
      `Cannot try appending as the keys must be of 1 to ${keys - 1}: current value is ${appended}`,
    );
  }
  const best = await exactAnswers(set, topK);
  const resultOf = async (asked: KeyIndex) => {
    const answers = await ask(asked, set, topK);
    const trials = Array.from({ length: set.heads }, (_, h) => headTrial(set, h, answers, best));
    const mean = (name: "recall" | "scanned") =>
      trials.reduce((sum, trial) => sum + trial[name], 0) / set.heads;
    return { recall: mean("recall"), scanned: mean("scanned") };
  };
  using fresh = await KeyIndex.build(dataOf(set), { index, kv: "bf16" });
  const whole = await resultOf(fresh);
  using grown = await KeyIndex.build(firstOf(set, keys - appended), { index, kv: "bf16" });
  const began = performance.now();
  for (let first = keys - appended; first < keys; first += batch) {
    await grown.append(set.keys.slice(first * set.dim, (first + batch) * set.dim));
  }
  const appendUs = 1000 * (performance.now() - began) / appended;
  const all = { keys, appended, appendUs, ...await resultOf(grown) };
  return { ...all, freshRecall: whole.recall, freshScanned: whole.scanned };
}

function firstOf(set: KeySet, count: number) {
  return { ...dataOf(set), keys: set.keys.slice(0, count * set.dim) };
}
