/**
 * Chooses the next token. Filters have the order and meaning of the logits processors of Hugging Face transformers:
 * repetition penalty, temperature, top-k, top-p, min-p.
 */
import type { Random } from "./random.ts";

/** How the next token is chosen from the logits. */
export interface SamplingOptions {
  /**
   * Divides the logits: below 1 the likely tokens get likelier. 0 takes the likeliest token, the lower id of equals.
   * @default 0
   */
  readonly temperature?: number;
  /**
   * Keeps the `topK` likeliest tokens and those equal to the last of them; 0 keeps all.
   * @default 0
   */
  readonly topK?: number;
  /**
   * Keeps the likeliest tokens that together have at least this probability.
   * @default 1
   */
  readonly topP?: number;
  /**
   * Keeps the tokens that have at least this fraction of the likeliest one's probability.
   * @default 0
   */
  readonly minP?: number;
  /**
   * Divides positive and multiplies negative logits of tokens that occurred; above 1 they get less likely.
   * @default 1
   */
  readonly repetitionPenalty?: number;
}

/**
 * The id of the next token.
 *
 * @param logits `[vocab]`, not changed.
 * @param options How to choose; greedy where absent.
 * @param random Called once, unless the choice is greedy.
 * @param history Ids so far, for the repetition penalty.
 * @throws {RangeError} for an option out of range, and for logits without a finite maximum
 */
export function sample(
  logits: Float32Array,
  options: SamplingOptions,
  random: Random,
  history: ArrayLike<number>,
): number {
  const { temperature = 0, repetitionPenalty = 1 } = options;
  const isPlain = temperature === 0 && repetitionPenalty === 1;
  if (isPlain) checkSampling(options);
  const scores = isPlain ? logits : filterLogits(logits, options, history);
  const best = argmax(scores);
  if (!Number.isFinite(scores[best] ?? NaN)) throw noMaximum(scores[best]);
  return temperature === 0 ? best : draw(scores, scores[best] as number, random());
}

/** A copy of the logits after penalty, temperature and filters: tokens that were taken out have `-Infinity`. */
export function filterLogits(
  logits: Float32Array,
  options: SamplingOptions,
  history: ArrayLike<number> = [],
): Float32Array {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  checkSampling(options);
  const scores = logits.slice();
  if (repetitionPenalty !== 1) penalise(scores, repetitionPenalty, history);
  if (temperature === 0) return scores;
  if (temperature !== 1) divide(scores, temperature);
  if (topK > 0 && topK < scores.length) keepTopK(scores, topK);
  if (topP < 1) keepTopP(scores, topP);
  if (minP > 0) keepMinP(scores, minP);
  return scores;
}

function penalise(scores: Float32Array, penalty: number, history: ArrayLike<number>): void {
  for (const id of new Set(Array.from(history))) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
  }
}

function divide(scores: Float32Array, temperature: number): void {
  for (let id = 0; id < scores.length; id++) scores[id] = (scores[id] as number) / temperature;
}

function keepTopK(scores: Float32Array, topK: number): void {
  const least = scores.toSorted().at(-topK) as number;
  keep(scores, (score) => score >= least);
}

// In rising order, tokens go as long as the sum of their probabilities is <= 1 - topP; one always stays.
function keepTopP(scores: Float32Array, topP: number): void {
  const rising = scores.toSorted();
  const max = rising.at(-1) as number;
  const total = rising.reduce((sum, score) => sum + Math.exp(score - max), 0);
  let removed = 0;
  let sum = 0;
  for (; removed < rising.length - 1; removed++) {
    sum += Math.exp((rising[removed] as number) - max);
    if (sum > (1 - topP) * total) break;
  }
  const least = rising[removed] as number;
  let equals = rising.lastIndexOf(least) + 1 - removed;
  keep(scores, (score) => score > least || (score === least && equals-- > 0));
}

function keepMinP(scores: Float32Array, minP: number): void {
  const max = scores[argmax(scores)] as number;
  keep(scores, (score) => Math.exp(score - max) >= minP);
}

function keep(scores: Float32Array, wanted: (score: number) => boolean): void {
  for (let id = 0; id < scores.length; id++) {
    if (!wanted(scores[id] as number)) scores[id] = -Infinity;
  }
}

/** The lowest id of the largest score, or the first that is NaN; -1 where there are none. */
function argmax(scores: Float32Array): number {
  let best = scores.length > 0 ? 0 : -1;
  let largest = scores[0] as number;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id] as number;
    if (score <= largest) continue;
    if (Number.isNaN(score)) return id;
    best = id;
    largest = score;
  }
  return best;
}

function draw(scores: Float32Array, max: number, uniform: number): number {
  const weights = Float64Array.from(scores, (score) => Math.exp(score - max));
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  let chosen = -1;
  for (let id = 0; id < weights.length && left >= 0; id++) {
    if (!((weights[id] as number) > 0)) continue;
    left -= weights[id] as number;
    chosen = id;
  }
  return chosen;
}

/** Throws `RangeError` for a sampling option out of range. */
export function checkSampling(options: SamplingOptions): void {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  checkOptions({ temperature, topK, topP, minP, repetitionPenalty });
}

function checkOptions(options: Required<SamplingOptions>): void {
  const { temperature, topK, topP, minP, repetitionPenalty } = options;
  check(temperature >= 0 && temperature < Infinity, "temperature must be >= 0", temperature);
  check(Number.isInteger(topK) && topK >= 0, "topK must be a whole number >= 0", topK);
  check(topP >= 0 && topP <= 1, "topP must be >= 0 and <= 1", topP);
  check(minP >= 0 && minP <= 1, "minP must be >= 0 and <= 1", minP);
  check(
    repetitionPenalty > 0 && repetitionPenalty < Infinity,
    "repetitionPenalty must be > 0",
    repetitionPenalty,
  );
}

function check(right: boolean, rule: string, value: number): void {
  if (!right) throw new RangeError(`Cannot sample as ${rule}: current value is ${value}`);
}

function noMaximum(value: number | undefined): RangeError {
  return new RangeError(
    `Cannot sample as logits must have a finite maximum: current value is ${value}`,
  );
}
