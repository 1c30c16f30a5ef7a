/**
 * Scores of a SentencePiece vocabulary as merges. SentencePiece joins the adjacent pair whose whole has the highest score;
 * BPE joins the pair of the first merge: so merges are all ways to cut an entry into two others, highest score first; of one
 * entry, in the order in which transformers lists them: by the id of the left part.
 */
import { inSlices, pause } from "../tokenizer_slices.ts";
import type { Merge } from "../tokenizer_vocabulary.ts";

const NONE = -1;
/** Some 50 MB. */
const MAX_KEPT = 2 ** 19;

/** The ranks of merges of `tokens`, of which `ids` has the places, with these scores. */
export async function scoreRanks(
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): Promise<Map<string, number>> {
  await pause();
  // arrays, unlike typed arrays, are sorted the faster the more they are in order already
  const byScore = Array.from(tokens.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const first = new Float64Array(tokens.length);
  let rank = 0;
  await inSlices(byScore, (id) => {
    first[id] = rank;
    rank += tokens[id]!.length;
  });
  return new ScoreRanks(tokens, ids, first);
}

/** Ranks of merges by `mergeKey`, found when they are asked for, as there are more of them than a text needs. */
class ScoreRanks extends Map<string, number> {
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #first: Float64Array;

  /** `first` has the least rank of the cuts of each entry: they have as many ranks as there are places to cut it. */
  constructor(tokens: readonly string[], ids: ReadonlyMap<string, number>, first: Float64Array) {
    super();
    this.#tokens = tokens;
    this.#ids = ids;
    this.#first = first;
  }

  /** The rank of a merge, if it is one. */
  override get(key: string): number | undefined {
    const known = super.get(key);
    if (known !== undefined) return known === NONE ? undefined : known;
    const rank = this.#find(JSON.parse(key));
    if (this.size === MAX_KEPT) this.clear();
    this.set(key, rank ?? NONE);
    return rank;
  }

  #find([left, right]: Merge): number | undefined {
    const whole = this.#ids.get(left + right);
    const cut = this.#ids.get(left);
    if (whole === undefined || cut === undefined || !this.#ids.has(right)) return undefined;
    return this.#first[whole]! + this.#cutsBefore(cut, this.#tokens[whole]!);
  }

  /** How many cuts of `token` have a left part of a lower id than `left`. */
  #cutsBefore(left: number, token: string): number {
    let count = 0;
    for (let at = 1; at < token.length; at++) {
      const id = this.#ids.get(token.slice(0, at));
      if (id !== undefined && id < left && this.#ids.has(token.slice(at))) count++;
    }
    return count;
  }
}
