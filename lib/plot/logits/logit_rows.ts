/** Next tokens by method: probabilities, ranks and divergence from the first method. */

/** What one method would say next. */
export interface MethodLogits {
  /** The method. */
  readonly method: string;
  /** Score of every token before softmax, `[vocabulary]`; `-Infinity` where it cannot come. */
  readonly logits: ArrayLike<number>;
}

/** A method's distribution, as far as it is shown. */
export interface LogitColumn {
  /** The method. */
  readonly method: string;
  /** Its likeliest token. */
  readonly first: number;
  /** Probability of each row's token. */
  readonly probs: Float64Array;
  /** Rank of each row's token in the whole vocabulary, from 1; equal scores share a rank. */
  readonly ranks: Int32Array;
  /** Kullback-Leibler divergence of the first method's distribution from this one, in nats. */
  readonly kl: number;
}

/** What is shown. */
export interface LogitRows {
  /** Tokens that are among the likeliest of some method, as ids, by falling probability with the first method. */
  readonly ids: readonly number[];
  /** The methods. */
  readonly columns: readonly LogitColumn[];
}

const MOST = { methods: 16, top: 50 };

/**
 * The likeliest tokens of each method, and how each method rates them.
 *
 * @throws {TypeError} when vocabularies differ in size
 * @throws {RangeError} when there are no or too many methods, `top` is out of range, or a score is `NaN` or `Infinity`
 */
export function logitRows(methods: readonly MethodLogits[], top: number): LogitRows {
  checkMethods(methods, top);
  const [reference] = methods;
  const offsets = methods.map(({ logits }) => logSumExp(logits));
  const lists = methods.map(({ logits }) => largest(logits, top));
  const byScore = (a: number, b: number) => reference!.logits[b]! - reference!.logits[a]! || a - b;
  const ids = [...new Set(lists.flat())].sort((a, b) => byScore(a, b) || 0);
  const columns = methods.map(({ method, logits }, i): LogitColumn => ({
    method,
    first: lists[i]![0]!,
    probs: Float64Array.from(ids, (id) => Math.exp(logits[id]! - offsets[i]!)),
    ranks: ranksOf(logits, ids),
    kl: divergence(reference!.logits, offsets[0]!, logits, offsets[i]!),
  }));
  return { ids, columns };
}

function logSumExp(logits: ArrayLike<number>): number {
  let [most, sum] = [-Infinity, 0];
  for (let id = 0; id < logits.length; id++) most = Math.max(most, logits[id]!);
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - most);
  return most + Math.log(sum);
}

/** The tokens with the largest scores, falling; of equal ones the lower id first. Those that cannot come are left out. */
function largest(logits: ArrayLike<number>, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    const score = logits[id]!;
    if (score === -Infinity || (ids.length === count && score <= logits[ids.at(-1)!]!)) continue;
    let place = ids.length;
    while (place > 0 && logits[ids[place - 1]!]! < score) place--;
    ids.splice(place, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}

/** Ranks of some tokens: 1 and the number of larger scores. */
function ranksOf(logits: ArrayLike<number>, ids: readonly number[]): Int32Array {
  const scores = Float64Array.from(new Set(ids.map((id) => logits[id]!))).sort();
  // Of place i: how many scores are above i of those, then above any more.
  const above = new Int32Array(scores.length + 1);
  for (let id = 0; id < logits.length; id++) above[countBelow(scores, logits[id]!)]!++;
  for (let i = scores.length - 1; i >= 0; i--) above[i]! += above[i + 1]!;
  return Int32Array.from(ids, (id) => 1 + above[countBelow(scores, logits[id]!) + 1]!);
}

/** How many of rising values are below `value`. */
function countBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function divergence(
  p: ArrayLike<number>,
  pOffset: number,
  q: ArrayLike<number>,
  qOffset: number,
): number {
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    const log = p[id]! - pOffset;
    const prob = Math.exp(log);
    if (prob > 0) sum += prob * (log - (q[id]! - qOffset));
  }
  return Math.max(0, sum);
}

function checkMethods(methods: readonly MethodLogits[], top: number): void {
  if (methods.length < 1 || methods.length > MOST.methods) {
    throw wrong(`there must be 1 .. ${MOST.methods} methods`, methods.length);
  }
  if (!Number.isSafeInteger(top) || top < 1 || top > MOST.top) {
    throw wrong(`top must be a whole number 1 .. ${MOST.top}`, top);
  }
  const { length } = methods[0]!.logits;
  for (const { method, logits } of methods) {
    if (logits.length !== length || length === 0) {
      throw new TypeError(
        `Cannot draw next tokens as logits of ${method} must hold ${
          Math.max(1, length)
        } numbers: ` +
          `current value is ${logits.length}`,
      );
    }
    checkLogits(method, logits);
  }
}

function checkLogits(method: string, logits: ArrayLike<number>): void {
  let isPossible = false;
  for (let id = 0; id < logits.length; id++) {
    const score = logits[id]!;
    if (!(score < Infinity)) throw wrong(`logits of ${method} must be numbers < Infinity`, score);
    isPossible ||= score > -Infinity;
  }
  if (!isPossible) throw wrong(`some token of ${method} must be possible`, "none");
}

function wrong(rule: string, value: number | string): RangeError {
  return new RangeError(`Cannot draw next tokens as ${rule}: current value is ${value}`);
}
