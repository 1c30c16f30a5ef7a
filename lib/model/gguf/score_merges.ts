/**
 * Scores of a SentencePiece vocabulary as merges. SentencePiece joins the adjacent pair whose whole has the highest score;
 * BPE joins the pair of the first merge: so merges are all ways to cut an entry into two others, highest score first.
 */

/** Two entries that make a third. */
type Merge = [left: string, right: string];

/** Merges of `tokens` with these scores. */
export function mergesOf(tokens: readonly string[], scores: ArrayLike<number>): Merge[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const byScore = Uint32Array.from(tokens.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const merges: Merge[] = [];
  for (const id of byScore) {
    for (const [left, right] of cuts(tokens[id]!, ids)) {
      merges.push([tokens[left]!, tokens[right]!]);
    }
  }
  return merges;
}

/** Ids of the parts, in the order in which transformers lists them: that of the left part counts. */
function cuts(token: string, ids: ReadonlyMap<string, number>): [left: number, right: number][] {
  const found: [left: number, right: number][] = [];
  for (let at = 1; at < token.length; at++) {
    const left = ids.get(token.slice(0, at));
    if (left === undefined) continue;
    const right = ids.get(token.slice(at));
    if (right !== undefined) found.push([left, right]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}
